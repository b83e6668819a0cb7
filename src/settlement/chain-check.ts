/** What a look at the chain changes. */
import { fail, park, reverse, settle } from "./ending.ts";
import { type Transition, type TransitionContext, only } from "./event.ts";
import type { AuthorizationEvidence, ConfirmationEvidence } from "./evidence.ts";
import { canStillSettle } from "./next-step.ts";
import { type Payment, isFailed, isSettled, openAttempt } from "./payment.ts";
import { confirmDelayMs, retryDelayMs } from "./retry-schedule.ts";

/** A node may be some blocks behind the facilitator's: what it does not show yet is not missing yet. */
const MISSING_GRACE_MS = 30_000;

export function applyEvidence(
  payment: Payment,
  evidence: AuthorizationEvidence,
  context: TransitionContext,
): Transition {
  if (evidence.found === "transfer") {
    return settle(payment, evidence.transfer.transaction, evidence.transfer, context);
  }
  if (isSettled(payment)) return only(payment);
  const checked: Payment = { ...payment, chainCheckedAtMs: context.nowMs };
  if (isFailed(payment)) return only(watchOn(checked, evidence, context));
  const open = openAttempt(payment);
  switch (evidence.found) {
    case "canceled":
      return fail(checked, "failed", "authorization_canceled", null);
    case "expired":
      return fail(checked, "expired", "authorization_expired", null);
    case "used_otherwise": {
      const used = { ...checked, transaction: evidence.transaction ?? checked.transaction };
      // Its attempt ends first: in flight, nobody could decide it, and whoever resends would be told to wait for ever.
      if (open !== null) return only({ ...used, dueAtMs: open.leaseExpiresAtMs });
      return park(
        used,
        `authorization used otherwise in ${evidence.transaction ?? "an unknown transaction"}`,
      );
    }
    case "unused":
      if (open !== null) return only({ ...checked, dueAtMs: open.leaseExpiresAtMs });
      return only(
        canStillSettle(payment, context.nowMs)
          ? { ...checked, dueAtMs: context.nowMs }
          : retryLater(checked, context),
      );
    case "unavailable":
      return only(retryLater(payment, context));
    default:
      return evidence satisfies never;
  }
}

export function applyConfirmation(
  payment: Payment,
  evidence: ConfirmationEvidence,
  context: TransitionContext,
): Transition {
  if (payment.state !== "settled") return only(payment);
  switch (evidence.found) {
    case "confirmed":
      return only({
        ...payment,
        state: "confirmed",
        transaction: evidence.transfer.transaction,
        evidence: evidence.transfer,
        confirmedAtMs: context.nowMs,
        retryCount: 0,
        dueAtMs: payment.fulfilment?.state === "pending" ? payment.fulfilment.beforeMs : null,
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

/** Due again after the next delay of the backoff. */
export function retryLater(payment: Payment, context: TransitionContext): Payment {
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
