/**
 * The settlement machine: one event in, the next payment and the effects out. Pure and total: every event is
 * accepted in every state, and one that no longer matters changes nothing. `docs/state-machine.md` is its table.
 *
 * Two rules decide everything else. A success wins whenever it arrives, because the money is where it is. And a
 * failure is final only with evidence: every attempt refused before broadcast, the authorization cancelled, or
 * unused at a finalized block past validBefore.
 */
import type { AuthorizationEvidence, ConfirmationEvidence, TransferEvidence } from "./evidence.ts";
import { type Posting, postingFor } from "./journal.ts";
import type { SettleOutcome } from "./outcome.ts";
import {
  type Attempt,
  type Payment,
  isFailed,
  isSettled,
  mayHaveLanded,
  openAttempt,
} from "./payment.ts";
import { confirmDelayMs, retryDelayMs } from "./retry-schedule.ts";

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
  /** Nothing to do before this time; null when nothing is left to do. */
  | { readonly type: "deferred"; readonly untilMs: number | null }
  | { readonly type: "answered" }
  | { readonly type: "response_removed" };

export type AlertKind =
  /** A recorded settlement is not on the chain. */
  | "settlement_missing"
  /** A payment counted as failed landed after all. */
  | "late_landing"
  /** Two transactions are claimed for one authorization. */
  | "second_transaction"
  /** The authorization was used for something else, or nothing more can be tried. */
  | "needs_operator";

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

/** A node may be some blocks behind the facilitator's: what it does not show yet is not missing yet. */
const MISSING_GRACE_MS = 30_000;

/**
 * How long an attempt is left alone. Settling takes a second or two; when it takes longer, its caller may be dead, and
 * the chain can say what became of it before the lease is over.
 */
export const FIRST_LOOK_MS = 5_000;

/** Reason of an attempt whose caller never came back. A true outcome that arrives later replaces it. */
export const UNANSWERED_REASON = "unanswered";

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
        : unchanged(payment);
    case "parked":
      return isUnresolved(payment) ? park(payment, "nothing more to try") : unchanged(payment);
    case "deferred":
      return only({ ...payment, dueAtMs: event.untilMs });
    case "answered":
      return payment.answeredAtMs === null
        ? only({ ...payment, answeredAtMs: context.nowMs })
        : unchanged(payment);
    case "response_removed":
      return payment.response === "kept"
        ? only({ ...payment, response: "removed" })
        : unchanged(payment);
    default:
      return event satisfies never;
  }
}

function startAttempt(
  payment: Payment,
  facilitatorId: string,
  leaseMs: number,
  { nowMs }: TransitionContext,
): Transition {
  if (!isUnresolved(payment) || openAttempt(payment) !== null) return unchanged(payment);
  const attempt: Attempt = {
    attempt: payment.attempts.length + 1,
    facilitatorId,
    startedAtMs: nowMs,
    leaseExpiresAtMs: nowMs + leaseMs,
    outcome: null,
  };
  return only({
    ...payment,
    state: "settling",
    attempts: [...payment.attempts, attempt],
    dueAtMs: Math.min(nowMs + FIRST_LOOK_MS, attempt.leaseExpiresAtMs),
  });
}

function finishAttempt(
  before: Payment,
  attemptNumber: number,
  outcome: SettleOutcome,
  context: TransitionContext,
): Transition {
  const attempt = before.attempts.find((candidate) => candidate.attempt === attemptNumber);
  if (attempt === undefined || !replaces(outcome, attempt.outcome)) return unchanged(before);
  const payment: Payment = {
    ...before,
    attempts: before.attempts.map((each) => (each === attempt ? { ...each, outcome } : each)),
  };
  if (outcome.class === "settled") {
    return settle(payment, outcome.transaction, null, context);
  }
  if (!isUnresolved(payment)) return only(payment);
  if (mayHaveLanded(payment)) {
    return only({
      ...payment,
      state: openAttempt(payment) === null ? "unknown" : "settling",
      transaction: transactionOf(outcome) ?? payment.transaction,
      retryCount: payment.retryCount + 1,
      dueAtMs: context.nowMs + retryDelayMs(payment.retryCount, context.jitter),
    });
  }
  if (outcome.class === "refused") {
    return fail(payment, "failed", outcome.reason, payment.authorization.validBeforeMs);
  }
  return only({
    ...payment,
    state: "staged",
    retryCount: payment.retryCount + 1,
    dueAtMs:
      context.nowMs +
      Math.max(
        retryDelayMs(payment.retryCount, context.jitter),
        outcome.class === "unavailable" ? (outcome.retryAfterMs ?? 0) : 0,
      ),
  });
}

/** An attempt gets one outcome; only a success, or the truth after a missed lease, may replace it. */
function replaces(next: SettleOutcome, known: SettleOutcome | null): boolean {
  if (known === null) return true;
  if (known.class === "settled") return false;
  return (
    next.class === "settled" || (known.class === "ambiguous" && known.reason === UNANSWERED_REASON)
  );
}

function applyEvidence(
  payment: Payment,
  evidence: AuthorizationEvidence,
  context: TransitionContext,
): Transition {
  if (evidence.found === "transfer") {
    return settle(payment, evidence.transfer.transaction, evidence.transfer, context);
  }
  if (isSettled(payment)) return unchanged(payment);
  const checked: Payment = { ...payment, chainCheckedAtMs: context.nowMs };
  if (isFailed(payment)) return only(watchOn(checked, evidence, context));
  switch (evidence.found) {
    case "canceled":
      return fail(checked, "failed", "authorization_canceled", null);
    case "expired":
      return fail(checked, "expired", "authorization_expired", null);
    case "used_otherwise":
      return park(
        { ...checked, transaction: evidence.transaction },
        `authorization used otherwise in ${evidence.transaction}`,
      );
    case "unused": {
      const open = openAttempt(payment);
      if (open !== null) return only({ ...checked, dueAtMs: open.leaseExpiresAtMs });
      return only(
        context.nowMs < payment.authorization.validBeforeMs
          ? { ...checked, dueAtMs: context.nowMs }
          : retryLater(checked, context),
      );
    }
    case "unavailable":
      return only(retryLater(payment, context));
    default:
      return evidence satisfies never;
  }
}

function applyConfirmation(
  payment: Payment,
  evidence: ConfirmationEvidence,
  context: TransitionContext,
): Transition {
  if (payment.state !== "settled") return unchanged(payment);
  switch (evidence.found) {
    case "confirmed":
      return only({
        ...payment,
        state: "confirmed",
        transaction: evidence.transfer.transaction,
        evidence: evidence.transfer,
        confirmedAtMs: context.nowMs,
        retryCount: 0,
        dueAtMs: null,
      });
    case "missing":
      return context.nowMs < (payment.settledAtMs ?? 0) + MISSING_GRACE_MS
        ? only(confirmLater(payment, context))
        : reverse(payment, context);
    case "shallow":
    case "unavailable":
      return only(confirmLater(payment, context));
    default:
      return evidence satisfies never;
  }
}

function settle(
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

/** The word was wrong or the chain reorganised: the money is not there, and it may still land. */
function reverse(payment: Payment, context: TransitionContext): Transition {
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
function fail(
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

/** A failed payment is watched until the chain rules out that it lands late. */
function watchOn(
  payment: Payment,
  evidence: AuthorizationEvidence,
  context: TransitionContext,
): Payment {
  return evidence.found === "unused" || evidence.found === "unavailable"
    ? retryLater(payment, context)
    : { ...payment, dueAtMs: null };
}

function park(payment: Payment, detail: string): Transition {
  return {
    payment: { ...payment, dueAtMs: null },
    effects: [alert("needs_operator", payment, detail)],
  };
}

function retryLater(payment: Payment, context: TransitionContext): Payment {
  return {
    ...payment,
    retryCount: payment.retryCount + 1,
    dueAtMs: context.nowMs + retryDelayMs(payment.retryCount, context.jitter),
  };
}

function confirmLater(payment: Payment, context: TransitionContext): Payment {
  return {
    ...payment,
    retryCount: payment.retryCount + 1,
    dueAtMs: context.nowMs + confirmDelayMs(payment.retryCount, context.jitter),
  };
}

function isUnresolved(payment: Payment): boolean {
  return !isSettled(payment) && !isFailed(payment);
}

function transactionOf(outcome: SettleOutcome): string | null {
  return outcome.class === "pending" || outcome.class === "ambiguous" ? outcome.transaction : null;
}

function post(kind: Parameters<typeof postingFor>[0], payment: Payment): Effect {
  return { effect: "post", posting: postingFor(kind, payment) };
}

function alert(kind: AlertKind, payment: Payment, detail: string): Effect {
  return { effect: "alert", kind, paymentId: payment.paymentId, detail };
}

function only(payment: Payment): Transition {
  return { payment, effects: [] };
}

function unchanged(payment: Payment): Transition {
  return { payment, effects: [] };
}
