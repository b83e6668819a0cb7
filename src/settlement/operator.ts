/**
 * What an operator may change. An operator's word is no evidence: it can end a payment that nothing else ends, and let
 * its payer have the answer, but it posts nothing, and the chain has the last word until the payment can't land.
 */
import { fail, isUnresolved } from "./ending.ts";
import { type Transition, type TransitionContext, only } from "./event.ts";
import type { OperatorRuling, Payment } from "./payment.ts";
import { retryDelayMs } from "./retry-schedule.ts";

/** Failure of a payment that ended by an operator's word: nothing proves it, and nothing of it is payable. */
export const OPERATOR_UNPROVEN = "operator_unproven";

export type Resolution = OperatorRuling["resolution"];

/** Why a payment can't be resolved without evidence; null when it can. */
export function resolutionRefusal(
  payment: Payment,
  resolution: Resolution,
): "decided" | "in_flight" | "evidence_required" | "nothing_to_release" | null {
  if (!isUnresolved(payment)) return "decided";
  if (payment.state === "settling") return "in_flight";
  // Giving the amount of a payout back while it may still land would pay it twice.
  if (payment.direction === "outgoing") return "evidence_required";
  if (resolution === "settled" && payment.response !== "kept") return "nothing_to_release";
  return null;
}

/**
 * Ends a payment without evidence. `settled` lets the payer fetch the answer, `failed` does not; in both cases it
 * counts as failed in the books, and is watched like every failed one: if it lands late, it becomes settled.
 */
export function resolveByOperator(
  payment: Payment,
  resolution: Resolution,
  { nowMs, jitter }: TransitionContext,
): Transition {
  if (resolutionRefusal(payment, resolution) !== null) return only(payment);
  const ruled: Payment = { ...payment, ruling: { resolution, atMs: nowMs } };
  return fail(ruled, "failed", OPERATOR_UNPROVEN, nowMs + retryDelayMs(0, jitter));
}

/** Due now and looked at afresh, also when it was parked. A confirmed payment has nothing left to retry. */
export function retryByOperator(payment: Payment, { nowMs }: TransitionContext): Transition {
  if (payment.state === "confirmed") return only(payment);
  return only({ ...payment, retryCount: 0, chainCheckedAtMs: null, dueAtMs: nowMs });
}
