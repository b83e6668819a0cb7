/**
 * Upfront payments: the money moves before the handler runs, so what remains is a debt in kind. The handler runs until
 * it answers 2xx, at most so many times; then the debt is a credit to be refunded. This is kept apart from settlement:
 * whether the money moved and whether the answer was given are two questions.
 */
import { type Transition, type TransitionContext, alert, only, post } from "./event.ts";
import { PAYMENT_STATES, type Payment, isSettled } from "./payment.ts";

/** Runs of the handler for one payment: enough to outlast a deployment, few enough to bound unpaid work. */
export const FULFILMENT_ATTEMPTS_MAX = 5;

/** What an upfront payment is called outside, once it is settled. */
const FULFILMENT_STATES = {
  pending: "settled_unfulfilled",
  fulfilled: "fulfilled",
  undelivered: "paid_undelivered",
} as const;

export const SHOWN_STATES = [...PAYMENT_STATES, ...Object.values(FULFILMENT_STATES)] as const;
export type ShownState = (typeof SHOWN_STATES)[number];

/** The state with which payers, tenants and operators are shown a payment. */
export function shownState(payment: Payment): ShownState {
  return isSettled(payment) && payment.fulfilment !== null
    ? FULFILMENT_STATES[payment.fulfilment.state]
    : payment.state;
}

/** The money is there and the answer is not. */
export function awaitsFulfilment(payment: Payment): boolean {
  return isSettled(payment) && payment.fulfilment?.state === "pending";
}

/** Counts a run of the handler before it starts, so that a crash in it counts too. */
export function startFulfilment(payment: Payment): Transition {
  const { fulfilment } = payment;
  if (fulfilment === null || !awaitsFulfilment(payment)) return only(payment);
  if (fulfilment.attempts >= FULFILMENT_ATTEMPTS_MAX) return only(payment);
  return only({ ...payment, fulfilment: { ...fulfilment, attempts: fulfilment.attempts + 1 } });
}

/** @param attempt the run that ended, from 1; a failure of an earlier run than the last decides nothing */
export function finishFulfilment(
  payment: Payment,
  attempt: number,
  delivered: boolean,
  context: TransitionContext,
): Transition {
  const { fulfilment } = payment;
  if (fulfilment?.state !== "pending" || attempt > fulfilment.attempts) return only(payment);
  if (delivered) {
    return only({
      ...payment,
      fulfilment: { ...fulfilment, state: "fulfilled" },
      answeredAtMs: payment.answeredAtMs ?? context.nowMs,
      dueAtMs: payment.state === "confirmed" ? null : payment.dueAtMs,
    });
  }
  return attempt === FULFILMENT_ATTEMPTS_MAX ? giveUp(payment) : only(payment);
}

/** Its payer did not come back for the answer in time. */
export function lapseFulfilment(payment: Payment, { nowMs }: TransitionContext): Transition {
  const { fulfilment } = payment;
  return fulfilment !== null && nowMs >= fulfilment.beforeMs ? giveUp(payment) : only(payment);
}

/** From now on it is the payer's money again: neither the tenant's to pay out nor the platform's fee. */
function giveUp(payment: Payment): Transition {
  const { fulfilment } = payment;
  if (fulfilment === null || !awaitsFulfilment(payment)) return only(payment);
  const undelivered: Payment = {
    ...payment,
    fulfilment: { ...fulfilment, state: "undelivered" },
    dueAtMs: payment.state === "confirmed" ? null : payment.dueAtMs,
  };
  return {
    payment: undelivered,
    effects: [
      post("payment_undelivered", undelivered),
      alert("paid_undelivered", undelivered, `${fulfilment.attempts} runs of the handler`),
    ],
  };
}
