/** From the claim to the settlement: what makes the payment durable, moves the money, and says what came of it. */
import type {
  ClaimGrant,
  FulfilmentGrant,
  SettlementSummary,
  StoredResponse,
} from "../contracts/ledger.ts";
import type { Collection } from "../contracts/snapshot.ts";
import { attemptLeaseMs } from "../facilitator/attempt-lease.ts";
import { authorizationOf } from "../payment/decode-payment.ts";
import { problem } from "../payment/problems/problem.ts";
import { effectiveLimits } from "../tenant/limits.ts";
import type { RunMeter } from "../runtime/run-meter.ts";
import { answerSettlementFailed, answerUnknown } from "./answers.ts";
import type { IdentifiedCall } from "./identified-call.ts";
import { settle } from "./settle.ts";
import { discardBody } from "./stored-body.ts";
import { wirePayment } from "./wire-payment.ts";

export type Settled =
  | {
      readonly ok: true;
      readonly settlement: SettlementSummary;
      /** Of an upfront payment; null when another send runs the handler. */
      readonly fulfilment: FulfilmentGrant | null;
    }
  /** It is not settled, or not ours to answer. */
  | { readonly ok: false; readonly response: Response };

/**
 * @param response what is paid for; null when it is made after the settlement
 * @param facilitatorIds where it may be settled, in order of preference
 * @param meter of the run that made the response
 */
export async function stageAndSettle(
  call: IdentifiedCall,
  grant: ClaimGrant,
  response: StoredResponse | null,
  facilitatorIds: readonly [string, ...string[]],
  meter: RunMeter,
): Promise<Settled> {
  const { paymentId } = grant;
  const [facilitatorId] = facilitatorIds;
  const staged = await call.ledger.stage({
    grant,
    identity: call.identity,
    authorization: authorizationOf(call.payment, call.offer.asset.address, call.chargedAtomic),
    wire: wirePayment(call),
    route: {
      path: call.paid.route.path,
      method: call.request.method,
      url: call.paid.resource.url,
    },
    plan: call.paid.snapshot.plan,
    collection: collectionOf(call),
    retentionMs: effectiveLimits(call.paid.snapshot, Date.now()).retentionMs,
    response,
    facilitatorId,
    boundFacilitatorId: call.offer.facilitator?.facilitatorId ?? null,
    attemptLeaseMs: attemptLeaseMs(call.config),
    usage: meter.usage(Date.now()),
  });
  if (staged.result === "fenced") {
    if (response !== null) call.execution.waitUntil(discardBody(call.env, response));
    return notSettled(
      problem("payment_in_progress", {
        detail: "Another send of this payment took over. Resend the same header for its answer.",
        headers: { "Retry-After": "1", "Payment-Status": "not-charged" },
        extra: { paymentId },
      }),
    );
  }
  const settled = await settle(call, paymentId, {
    attempt: staged.attempt,
    facilitatorId,
    candidates: facilitatorIds,
    attemptLeaseMs: attemptLeaseMs(call.config),
  });
  switch (settled.result) {
    case "settled":
      return { ok: true, settlement: settled.settlement, fulfilment: settled.fulfilment };
    case "unknown":
      return notSettled(answerUnknown(call, paymentId, settled.transaction, settled.retryAfterMs));
    case "failed":
      return notSettled(
        await answerSettlementFailed(call, paymentId, settled.reason, settled.transaction),
      );
    default:
      return settled satisfies never;
  }
}

/** An option may have an address of the tenant's own, where the platform has no accounts. */
function collectionOf({ offer, paid: { snapshot } }: IdentifiedCall): Collection {
  return offer.payTo === snapshot.payTo ? snapshot.collection : "direct";
}

function notSettled(response: Response): Settled {
  return { ok: false, response };
}
