/** Attempts: opened before the call, closed by its outcome, whenever that arrives. */
import { fail, isUnresolved, settle } from "./ending.ts";
import { type Transition, type TransitionContext, only } from "./event.ts";
import type { SettleOutcome } from "./outcome.ts";
import { type Attempt, type Payment, mayHaveLanded, openAttempt } from "./payment.ts";
import { retryDelayMs } from "./retry-schedule.ts";

/**
 * How long an attempt is left alone. Settling takes a second or two; when it takes longer, its caller may be dead, and
 * the chain can say what became of it before the lease is over.
 */
export const FIRST_LOOK_MS = 5_000;

/** Reason of an attempt whose caller never came back. A true outcome that arrives later replaces it. */
export const UNANSWERED_REASON = "unanswered";

export function startAttempt(
  payment: Payment,
  facilitatorId: string,
  leaseMs: number,
  { nowMs }: TransitionContext,
): Transition {
  if (!isUnresolved(payment) || openAttempt(payment) !== null) return only(payment);
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
    chainCheckedAtMs: null,
    dueAtMs: Math.min(nowMs + FIRST_LOOK_MS, attempt.leaseExpiresAtMs),
  });
}

export function finishAttempt(
  before: Payment,
  attemptNumber: number,
  outcome: SettleOutcome,
  context: TransitionContext,
): Transition {
  const attempt = before.attempts.find((candidate) => candidate.attempt === attemptNumber);
  if (attempt === undefined || !replaces(outcome, attempt.outcome)) return only(before);
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
      chainCheckedAtMs: null,
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

function transactionOf(outcome: SettleOutcome): string | null {
  return outcome.class === "pending" || outcome.class === "ambiguous" ? outcome.transaction : null;
}
