/**
 * The settlement machine: one event in, the next payment and the effects out. Pure and total: every event is
 * accepted in every state, and one that no longer matters changes nothing. `docs/state-machine.md` is its table.
 *
 * Two rules decide everything else. A success wins whenever it arrives, because the money is where it is. And a
 * failure is final only with evidence: every attempt refused before broadcast, the authorization cancelled, or
 * unused at a finalized block past validBefore. An operator can end a payment without that, and it then stays watched
 * (`operator.ts`).
 */
import { finishAttempt, startAttempt } from "./attempts.ts";
import { applyConfirmation, applyEvidence, retryLater } from "./chain-check.ts";
import { fail, isUnresolved, park } from "./ending.ts";
import { finishFulfilment, lapseFulfilment, startFulfilment } from "./fulfilment.ts";
import { type PaymentEvent, type Transition, type TransitionContext, only } from "./event.ts";
import { resolveByOperator, retryByOperator } from "./operator.ts";
import { type Payment, mayHaveLanded } from "./payment.ts";

export function transition(
  payment: Payment,
  event: PaymentEvent,
  context: TransitionContext,
): Transition {
  switch (event.type) {
    case "attempt_started":
      return startAttempt(payment, event.facilitatorId, event.leaseMs, context);
    case "attempt_finished":
      return finishAttempt(payment, event.attempt, event.outcome, context);
    case "chain_checked":
      return applyEvidence(payment, event.evidence, context);
    case "confirmation_checked":
      return applyConfirmation(payment, event.evidence, context);
    case "abandoned":
      return isUnresolved(payment) && !mayHaveLanded(payment)
        ? fail(payment, "failed", "facilitator_unavailable", payment.authorization.validBeforeMs)
        : only(payment);
    case "parked":
      return isUnresolved(payment) ? park(payment, "nothing more to try") : only(payment);
    case "postponed":
      return only(payment.dueAtMs === null ? payment : retryLater(payment, context));
    case "deferred":
      return only({ ...payment, dueAtMs: event.untilMs });
    case "retried":
      return retryByOperator(payment, context);
    case "operator_resolved":
      return resolveByOperator(payment, event.resolution, context);
    case "answered":
      return payment.answeredAtMs === null
        ? only({ ...payment, answeredAtMs: context.nowMs })
        : only(payment);
    case "fulfilment_started":
      return startFulfilment(payment);
    case "fulfilment_finished":
      return finishFulfilment(payment, event.attempt, event.delivered, context);
    case "fulfilment_lapsed":
      return lapseFulfilment(payment, context);
    case "response_removed":
      return payment.response === "kept"
        ? only({ ...payment, response: "removed" })
        : only(payment);
    default:
      return event satisfies never;
  }
}
