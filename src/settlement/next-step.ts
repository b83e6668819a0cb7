/**
 * What the engine does about a payment that is due. Pure: the alarm asks, does the one step, feeds the result back
 * through `transition`, and asks again.
 */
import {
  type Attempt,
  type Payment,
  isFailed,
  isSettled,
  mayHaveLanded,
  openAttempt,
} from "./payment.ts";
import { FIRST_LOOK_MS, UNANSWERED_REASON } from "./attempts.ts";

/** What can be used for the step. */
export interface StepContext {
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Whether the chain can be asked now; `down` when it was asked in this round and did not answer. */
  readonly chain: "up" | "down" | "none";
  /** Usable facilitators, in order of preference. */
  readonly facilitatorIds: readonly string[];
}

export type NextStep =
  /** Nothing to do before this time (null: nothing to do at all). */
  | { readonly step: "wait"; readonly untilMs: number | null }
  /** The caller of this attempt never came back: close it as ambiguous. */
  | { readonly step: "close_attempt"; readonly attempt: number; readonly reason: string }
  | { readonly step: "check_chain" }
  | { readonly step: "settle"; readonly facilitatorId: string }
  /** Nobody may be asked to settle it now. */
  | { readonly step: "postpone" }
  | { readonly step: "confirm"; readonly transaction: string }
  /** The time to fetch what was paid upfront is over. */
  | { readonly step: "give_up_fulfilment" }
  | { readonly step: "abandon" }
  | { readonly step: "park" };

/** Retries at the facilitator that knows the payment, before another is asked. */
const SAME_FACILITATOR_ATTEMPTS = 2;

/** A transfer needs a block before validBefore: an attempt this close to it would only be refused. */
const SETTLE_MARGIN_MS = 6_000;

export function nextStep(payment: Payment, context: StepContext): NextStep {
  if (payment.dueAtMs === null) return { step: "wait", untilMs: null };
  if (isFailed(payment)) return watchFailed(payment, context);
  if (isSettled(payment)) return watchSettled(payment, context);
  const open = openAttempt(payment);
  if (open !== null) return watchAttempt(payment, open, context);
  if (context.chain === "up" && mayHaveLanded(payment) && !checkedSinceLastAttempt(payment)) {
    return { step: "check_chain" };
  }
  if (canStillSettle(payment, context.nowMs)) {
    const facilitatorId = chooseFacilitator(payment, context);
    return facilitatorId === null ? { step: "postpone" } : { step: "settle", facilitatorId };
  }
  if (context.chain === "up") return { step: "check_chain" };
  if (context.chain === "down") return { step: "wait", untilMs: payment.dueAtMs };
  return mayHaveLanded(payment) ? { step: "park" } : { step: "abandon" };
}

/** Whether an attempt that begins now could land in time. */
export function canStillSettle({ authorization }: Payment, nowMs: number): boolean {
  return nowMs < authorization.validBeforeMs - SETTLE_MARGIN_MS;
}

/** Its caller is still allowed to answer, but the chain may know already. */
function watchAttempt(payment: Payment, open: Attempt, { nowMs, chain }: StepContext): NextStep {
  if (open.leaseExpiresAtMs <= nowMs) {
    return { step: "close_attempt", attempt: open.attempt, reason: UNANSWERED_REASON };
  }
  const firstLookMs = open.startedAtMs + FIRST_LOOK_MS;
  if (chain !== "up" || checkedSinceLastAttempt(payment)) {
    return { step: "wait", untilMs: open.leaseExpiresAtMs };
  }
  return nowMs < firstLookMs ? { step: "wait", untilMs: firstLookMs } : { step: "check_chain" };
}

/** The transfer is to be confirmed, and what was paid upfront is to be fetched. */
function watchSettled(payment: Payment, { nowMs, chain }: StepContext): NextStep {
  const { fulfilment } = payment;
  const fulfilBeforeMs = fulfilment?.state === "pending" ? fulfilment.beforeMs : null;
  if (fulfilBeforeMs !== null && nowMs >= fulfilBeforeMs) return { step: "give_up_fulfilment" };
  if (payment.state === "settled" && payment.transaction !== null) {
    if (chain === "up") return { step: "confirm", transaction: payment.transaction };
    if (chain === "down") return { step: "wait", untilMs: payment.dueAtMs };
  }
  return { step: "wait", untilMs: fulfilBeforeMs };
}

/** It was shown to facilitators: until the chain rules it out, it may land late. */
function watchFailed(payment: Payment, { chain }: StepContext): NextStep {
  if (chain === "up") return { step: "check_chain" };
  return { step: "wait", untilMs: chain === "down" ? payment.dueAtMs : null };
}

/** Opening and closing an attempt forget the last look: only they can change what the chain says. */
function checkedSinceLastAttempt(payment: Payment): boolean {
  return payment.attempts.length === 0 || payment.chainCheckedAtMs !== null;
}

/**
 * Same facilitator first, then the others in turn. One that was bound by the scheme, or that answered with a
 * transaction hash or "pending", is never left: only it knows what it broadcast (design: failover rules).
 */
export function chooseFacilitator(
  payment: Payment,
  { facilitatorIds }: Pick<StepContext, "facilitatorIds">,
): string | null {
  if (payment.boundFacilitatorId !== null) return payment.boundFacilitatorId;
  const holder = payment.attempts.findLast(
    ({ outcome }) =>
      outcome?.class === "pending" ||
      (outcome?.class === "ambiguous" && outcome.transaction !== null),
  );
  if (holder !== undefined) return holder.facilitatorId;
  const last = payment.attempts.at(-1);
  if (last === undefined || !facilitatorIds.includes(last.facilitatorId)) {
    return facilitatorIds[0] ?? last?.facilitatorId ?? null;
  }
  if (last.outcome?.class !== "unavailable") {
    const attemptsInARow = payment.attempts.length - 1 - lastOther(payment, last.facilitatorId);
    if (attemptsInARow < SAME_FACILITATOR_ATTEMPTS) return last.facilitatorId;
  }
  const next = (facilitatorIds.indexOf(last.facilitatorId) + 1) % facilitatorIds.length;
  return facilitatorIds[next] ?? null;
}

/** Index of the last attempt at another facilitator than this one; -1 when there is none. */
function lastOther(payment: Payment, facilitatorId: string): number {
  return payment.attempts.findLastIndex((attempt) => attempt.facilitatorId !== facilitatorId);
}
