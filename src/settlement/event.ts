/** What can happen to a payment, and what a transition may ask for in return. */
import type { AuthorizationEvidence, ConfirmationEvidence } from "./evidence.ts";
import { type Posting, type PostingKind, postingFor } from "./journal.ts";
import type { SettleOutcome } from "./outcome.ts";
import type { OperatorRuling, Payment } from "./payment.ts";

export type PaymentEvent =
  | {
      readonly type: "attempt_started";
      readonly facilitatorId: string;
      readonly leaseMs: number;
    }
  | { readonly type: "attempt_finished"; readonly attempt: number; readonly outcome: SettleOutcome }
  | { readonly type: "chain_checked"; readonly evidence: AuthorizationEvidence }
  | { readonly type: "confirmation_checked"; readonly evidence: ConfirmationEvidence }
  /** No facilitator ever took it and the time to land is over: there is nothing to look for. */
  | { readonly type: "abandoned" }
  /** Nothing is left that the engine can try by itself. */
  | { readonly type: "parked" }
  /** It can't be worked on now: it is looked at again, after longer each time. */
  | { readonly type: "postponed" }
  /** Nothing to do before this time; null when nothing is left to do. */
  | { readonly type: "deferred"; readonly untilMs: number | null }
  /** An operator wants it looked at now, also when it was parked. */
  | { readonly type: "retried" }
  /** An operator ends it without evidence. */
  | { readonly type: "operator_resolved"; readonly resolution: OperatorRuling["resolution"] }
  | { readonly type: "answered" }
  /** The handler of a settled upfront payment is about to run. */
  | { readonly type: "fulfilment_started" }
  /** @see finishFulfilment */
  | {
      readonly type: "fulfilment_finished";
      readonly attempt: number;
      readonly delivered: boolean;
    }
  /** Nobody came back for what was paid upfront. */
  | { readonly type: "fulfilment_lapsed" }
  | { readonly type: "response_removed" };

export type AlertKind =
  /** A recorded settlement is not on the chain. */
  | "settlement_missing"
  /** A payment counted as failed landed after all. */
  | "late_landing"
  /** Two transactions are claimed for one authorization. */
  | "second_transaction"
  /** The authorization was used for something else, or nothing more can be tried. */
  | "needs_operator"
  /** An upfront payment is settled and its handler never answered: its payer is to be refunded. */
  | "paid_undelivered";

export type Effect =
  | { readonly effect: "post"; readonly posting: Posting }
  | {
      readonly effect: "alert";
      readonly kind: AlertKind;
      readonly paymentId: string;
      readonly detail: string;
    };

export interface Transition {
  readonly payment: Payment;
  readonly effects: readonly Effect[];
}

/** What a transition may use besides its inputs. */
export interface TransitionContext {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Random number in [0, 1), for the spread of retries. */
  readonly jitter: number;
}

export function post(kind: PostingKind, payment: Payment): Effect {
  return { effect: "post", posting: postingFor(kind, payment) };
}

export function alert(kind: AlertKind, payment: Payment, detail: string): Effect {
  return { effect: "alert", kind, paymentId: payment.paymentId, detail };
}

/** The payment and nothing else: no posting, no alert. */
export function only(payment: Payment): Transition {
  return { payment, effects: [] };
}
