/**
 * Refunds: what is owed to a payer, paid back by an outgoing payment like any payout. At most one refund of a payment or
 * deposit can ever land: the next one is made only when the one before is ruled out, and the nonce follows from the
 * transfer that is given back, so that the chain takes one of them only.
 */
import { type Payment, isFailed, isSettled } from "./payment.ts";

export type RefundRefusal = "nothing_to_refund" | "payment_not_confirmed";

/** Why a payment can't be refunded; null when it can. Only what the chain has confirmed can be given back. */
export function refundRefusal(payment: Payment): RefundRefusal | null {
  const isOwed =
    payment.direction === "incoming" &&
    payment.fulfilment?.state === "undelivered" &&
    isSettled(payment);
  if (!isOwed) return "nothing_to_refund";
  return payment.state === "confirmed" && payment.evidence !== null
    ? null
    : "payment_not_confirmed";
}

/** What stands in the way of another refund of the same source. */
export function earlierRefund(refund: Payment): "stands" | "may_still_land" | "ruled_out" {
  if (!isFailed(refund)) return "stands";
  // A failed one is watched until the chain rules it out, which ends the watch.
  const isRuledOut =
    refund.state === "expired" || (refund.dueAtMs === null && refund.chainCheckedAtMs !== null);
  return isRuledOut ? "ruled_out" : "may_still_land";
}
