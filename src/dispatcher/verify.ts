import { problem } from "../payment/problems/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { answerRefused } from "./answer-refused.ts";
import type { IdentifiedCall, PaidCall } from "./identified-call.ts";
import { wirePayment } from "./wire-payment.ts";

/** When no facilitator said anything better. */
const RETRY_AFTER_MS = 2_000;

export type Verified =
  /** By whom; null when nobody had to be asked. */
  | { readonly ok: true; readonly facilitatorId: string | null }
  | { readonly ok: false; readonly response: Response };

/**
 * Has the payment verified before the handler runs. An upfront payment is settled before that, which checks it better
 * (x402: `/verify` is not called); only a signature that can't be checked here is shown to a facilitator first, because
 * an invalid one must not bind anything.
 */
export async function verifyPayment(call: IdentifiedCall, paymentId: string): Promise<Verified> {
  const isUpfront = call.paid.route.settlement === "before";
  if (isUpfront && call.signatureProved) return { ok: true, facilitatorId: null };
  const { facilitatorId, outcome } = await call.facilitators.verify(wirePayment(call), {
    kind: kindOf(call),
    boundFacilitatorId: call.offer.facilitator?.facilitatorId ?? null,
    tenantId: call.paid.snapshot.tenantId,
    signatureProved: call.signatureProved,
  });
  switch (outcome.class) {
    case "valid":
      return { ok: true, facilitatorId };
    case "invalid":
      return {
        ok: false,
        response: await answerRefused(call, {
          code: outcome.reason,
          detail: `A facilitator refused the payment: ${outcome.reason}.`,
        }),
      };
    case "unavailable":
      return { ok: false, response: answerUnavailable(paymentId, outcome.retryAfterMs) };
    default:
      return outcome satisfies never;
  }
}

/** Nobody can be asked now, and nothing was charged. */
export function answerUnavailable(paymentId: string, retryAfterMs: number | null): Response {
  return problem("facilitator_unavailable", {
    detail: "No facilitator could take the payment. Nothing was charged.",
    headers: {
      "Retry-After": retryAfterSeconds(retryAfterMs ?? RETRY_AFTER_MS),
      "Payment-Status": "not-charged",
    },
    extra: { paymentId },
  });
}

/** What facilitators are chosen by. */
export function kindOf({ payment }: Pick<PaidCall, "payment">): {
  x402Version: 1 | 2;
  network: string;
  scheme: string;
} {
  return { x402Version: payment.x402Version, network: payment.network, scheme: payment.scheme };
}
