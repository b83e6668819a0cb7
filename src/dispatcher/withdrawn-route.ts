/**
 * A payment for a URL where nothing is sold, or not any more. A known payment gets what it would have got before the
 * route was removed; one that was never seen has nothing to buy here.
 */
import { problem } from "../payment/problems/problem.ts";
import { settlementHeader } from "../payment/settlement-header.ts";
import { effectiveLimits } from "../tenant/limits.ts";
import { answerKnown } from "./answers.ts";
import { answerRunFailed } from "./fulfil.ts";
import { claim } from "./claim.ts";
import {
  type IdentifiedPayment,
  type IncomingPayment,
  identifyPayment,
} from "./identified-call.ts";
import { readBody } from "./request-body.ts";

export async function withdrawnRoute(call: IncomingPayment): Promise<Response> {
  const { requestBytesMax } = effectiveLimits(call.paid.snapshot, Date.now());
  const body = await readBody(call.request.body, requestBytesMax);
  if (!body.ok) return unknownRoute();
  const identified = identifyPayment(call, body.bytes);
  const reply = await claim(identified, {
    refusal: "unknown_route",
    resignGuard: false,
    replayGraceMs: 0,
  });
  switch (reply.result) {
    case "granted":
      throw new Error("the ledger granted a claim that came with a refusal");
    // Nobody can be asked who signed it: what it would have to pay is gone.
    case "verify_first":
    case "refused":
      return unknownRoute();
    case "failed":
      return failed(identified, reply);
    case "fulfil":
      // What would deliver it is gone. Each resend counts as a failed run, so that it ends as a credit.
      return answerRunFailed(identified, reply, "nothing is sold here any more");
    default:
      return answerKnown(identified, reply);
  }
}

function unknownRoute(): Response {
  return problem("unknown_route", { headers: { "Payment-Status": "not-charged" } });
}

/** There is no new quote to go with it: nothing is sold here. */
function failed(
  { payment }: IdentifiedPayment,
  reply: {
    readonly reason: string;
    readonly transaction: string | null;
    readonly paymentId: string;
  },
): Response {
  const [name, value] = settlementHeader(payment.x402Version, {
    success: false,
    reason: reply.reason,
    transaction: reply.transaction,
    network: payment.network,
    payer: payment.from,
  });
  return problem("unknown_route", {
    detail: `The settlement failed and nothing was charged: ${reply.reason}.`,
    headers: { "Payment-Status": "failed", [name]: value },
    extra: { paymentId: reply.paymentId },
  });
}
