import type { RecordReply } from "../contracts/ledger.ts";
import { withDiscovery } from "./discovered-route.ts";
import type { IdentifiedCall } from "./identified-call.ts";
import { wirePayment } from "./wire-payment.ts";

export interface FirstAttempt {
  readonly attempt: number;
  readonly facilitatorId: string;
  /** Facilitators that could settle this payment, in order. */
  readonly candidates: readonly string[];
  readonly attemptLeaseMs: number;
}

/**
 * How long after the first attempt another one may begin. Each that begins is waited for, because an answer that is cut
 * off is an unknown outcome; so a request waits for all of them together this long, and for the last one's timeouts.
 */
const ATTEMPTS_BEGIN_MS = 10_000;

/**
 * Makes the staged attempt and records its outcome. When nothing was sent (a facilitator that refuses connections)
 * the ledger opens the next attempt at another one, while there is time; anything else is the ledger's to follow up,
 * never ours to retry.
 */
export async function settle(
  call: IdentifiedCall,
  paymentId: string,
  first: FirstAttempt,
): Promise<Exclude<RecordReply, { result: "attempt" }>> {
  const wire = withDiscovery(wirePayment(call), call.paid);
  const expected = {
    network: call.payment.network,
    payer: call.payment.from,
    amountAtomic: call.chargedAtomic,
  };
  const lastBeginMs = Date.now() + ATTEMPTS_BEGIN_MS;
  let { attempt, facilitatorId } = first;
  // Each facilitator at most once: the ledger never reopens one that was tried.
  for (let count = 0; count <= first.candidates.length; count += 1) {
    const outcome = await call.facilitators.settle(facilitatorId, wire, expected);
    const reply = await call.ledger.record({
      paymentId,
      attempt,
      outcome,
      nextFacilitatorIds: Date.now() < lastBeginMs ? first.candidates : [],
      attemptLeaseMs: first.attemptLeaseMs,
    });
    if (reply.result !== "attempt") return reply;
    ({ attempt, facilitatorId } = reply);
  }
  throw new Error(`payment ${paymentId} was given more attempts than there are facilitators`);
}
