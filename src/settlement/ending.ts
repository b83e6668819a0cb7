/** How a payment comes to an end, and how an end is undone: each in one place, with the postings that belong to it. */
import { type Transition, type TransitionContext, alert, only, post } from "./event.ts";
import type { TransferEvidence } from "./evidence.ts";
import { type Fulfilment, type Payment, isFailed, isSettled, openAttempt } from "./payment.ts";
import { confirmDelayMs, retryDelayMs } from "./retry-schedule.ts";

/** A success, whenever it arrives. */
export function settle(
  payment: Payment,
  transaction: string,
  evidence: TransferEvidence | null,
  context: TransitionContext,
): Transition {
  if (isSettled(payment)) {
    const agrees = payment.transaction === transaction;
    return agrees
      ? only({ ...payment, evidence: payment.evidence ?? evidence })
      : {
          payment,
          effects: [alert("second_transaction", payment, `${payment.transaction} ${transaction}`)],
        };
  }
  const late = isFailed(payment);
  const outgoing = payment.direction === "outgoing";
  const settled: Payment = {
    ...payment,
    state: "settled",
    transaction,
    evidence,
    failure: null,
    fulfilment: late && lostAnswer(payment) ? owedBack(context.nowMs) : payment.fulfilment,
    settledAtMs: context.nowMs,
    retryCount: 0,
    dueAtMs: context.nowMs + confirmDelayMs(0, context.jitter),
  };
  return {
    payment: settled,
    effects: [
      ...(late && outgoing ? [post("payout_reserved", settled)] : []),
      post(outgoing ? "payout_settled" : "payment_settled", settled),
      ...(late ? [alert("late_landing", settled, transaction)] : []),
    ],
  };
}

/** Its answer was removed while it counted as failed, and nobody ever got it. */
function lostAnswer({ response, answeredAtMs }: Payment): boolean {
  return response === "removed" && answeredAtMs === null;
}

/** Nothing will be delivered for it: as of a payment upfront that was given up, all of it is its payer's. */
function owedBack(nowMs: number): Fulfilment {
  return { state: "undelivered", attempts: 0, beforeMs: nowMs };
}

/** The word was wrong or the chain reorganised: the money is not there, and it may still land. */
export function reverse(payment: Payment, context: TransitionContext): Transition {
  const reversed: Payment = {
    ...payment,
    state: openAttempt(payment) === null ? "unknown" : "settling",
    evidence: null,
    settledAtMs: null,
    retryCount: 0,
    dueAtMs: context.nowMs + retryDelayMs(0, context.jitter),
  };
  return {
    payment: reversed,
    effects: [
      post(payment.direction === "outgoing" ? "payout_reversed" : "payment_reversed", payment),
      alert("settlement_missing", payment, payment.transaction ?? ""),
    ],
  };
}

/**
 * @param watchAtMs when to look at the chain once more, because the authorization was shown to facilitators and
 * could land until it expires; null when the chain has already ruled that out
 */
export function fail(
  payment: Payment,
  state: "failed" | "expired",
  reason: string,
  watchAtMs: number | null,
): Transition {
  const failed: Payment = { ...payment, state, failure: reason, retryCount: 0, dueAtMs: watchAtMs };
  return {
    payment: failed,
    effects: payment.direction === "outgoing" ? [post("payout_returned", failed)] : [],
  };
}

/** Nothing more can be tried: an operator has to look. */
export function park(payment: Payment, detail: string): Transition {
  return {
    payment: { ...payment, dueAtMs: null },
    effects: [alert("needs_operator", payment, detail)],
  };
}

export function isUnresolved(payment: Payment): boolean {
  return !isSettled(payment) && !isFailed(payment);
}
