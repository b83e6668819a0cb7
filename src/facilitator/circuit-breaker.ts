/**
 * The circuit breaker of one operation at one facilitator. Pure and total: every function takes the time and the
 * randomness it needs, accepts any state, and returns the next one; the object that owns it only stores it.
 *
 * Every state has an epoch. A call carries the epoch it was admitted under, and an outcome of an older epoch changes
 * nothing: a report that was slow to arrive can latch the breaker neither open nor closed.
 */
import { type CallWindow, addCall, countCalls, prune } from "./call-window.ts";
import { type HealthSignal, isFailure } from "./health-signal.ts";

export interface BreakerPolicy {
  /** Below this many calls a rate means nothing. */
  readonly callsMin: number;
  /** Opens when this part of the calls failed, over the whole window or its recent part. */
  readonly failureRateMax: number;
  /** Opens when this part of the calls was slow. Higher: slow answers are still answers. */
  readonly slowRateMax: number;
  readonly slowCallMs: number;
  /** Buckets of the recent part, by which an outage shows under load before it fills the window. */
  readonly recentBucketCount: number;
  /** First time open; doubles with each opening in a row. */
  readonly openMs: number;
  readonly openMsMax: number;
  /** Openings after this long without one start at `openMs` again. */
  readonly forgiveMs: number;
  /** After this the probe counts as lost, and another call may probe: longer than any probe takes to be over. */
  readonly probeLeaseMs: number;
}

interface Phase {
  /** Rises by one with every change of state. */
  readonly epoch: number;
  readonly sinceMs: number;
  /** Openings in a row, for the time the next one takes. */
  readonly openings: number;
}

export type BreakerState =
  | (Phase & { readonly state: "closed"; readonly window: CallWindow })
  | (Phase & { readonly state: "open"; readonly untilMs: number })
  | (Phase & { readonly state: "half_open" });

/** The right to try one call while half-open. */
export interface Probe {
  readonly probeId: string;
  readonly expiresAtMs: number;
}

/** What an operator decided, over whatever the breaker finds out by itself. */
export interface ForcedState {
  readonly state: "open" | "closed";
  readonly reason: string;
  readonly sinceMs: number;
}

export interface CircuitBreaker {
  readonly automatic: BreakerState;
  readonly forced: ForcedState | null;
  /** Granted and neither reported nor expired, whatever state was entered since: there is never a second one. */
  readonly probe: Probe | null;
  /** Until then we were asked to stay away (429); in the past when we were not. */
  readonly rateLimitedUntilMs: number;
}

/** `forced_open` differs from `open`: it excludes even the last facilitator that could serve. */
export type EffectiveState = BreakerState["state"] | "forced_open";

/** How one call ended. */
export interface CallReport {
  readonly signal: HealthSignal;
  /** Epoch of the breaker when the call was admitted. */
  readonly epoch: number;
  readonly endedAtMs: number;
  readonly durationMs: number;
  /** Set when the call was the probe. */
  readonly probeId: string | null;
  /** What a 429 asked for; null when it did not say. */
  readonly retryAfterMs: number | null;
}

/** Time and chance of one transition. */
export interface BreakerContext {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

/** Spread of the open time, so that many breakers do not probe in step: 0.8 to 1.2 of it. */
const OPEN_JITTER = 0.4;
/** How long a 429 without Retry-After keeps us away. */
export const RATE_LIMIT_MS = 1_000;

export function initialBreaker(nowMs: number): CircuitBreaker {
  return {
    automatic: { state: "closed", epoch: 0, sinceMs: nowMs, openings: 0, window: [] },
    forced: null,
    probe: null,
    rateLimitedUntilMs: 0,
  };
}

/** The breaker as it is now: time alone turns open into half-open and ends lost probes. */
export function advance(breaker: CircuitBreaker, nowMs: number): CircuitBreaker {
  const { automatic, probe } = breaker;
  return {
    ...breaker,
    automatic:
      automatic.state === "open" && automatic.untilMs <= nowMs
        ? { ...phaseAfter(automatic, automatic.untilMs), state: "half_open" }
        : automatic,
    probe: probe !== null && probe.expiresAtMs <= nowMs ? null : probe,
  };
}

/**
 * Takes in reports, in one step for all of them: their order within the batch makes no difference. While an
 * operator has forced the state, reports are dropped; `force(auto)` starts afresh.
 */
export function observe(
  breaker: CircuitBreaker,
  reports: readonly CallReport[],
  policy: BreakerPolicy,
  context: BreakerContext,
): CircuitBreaker {
  const { automatic, forced, probe, rateLimitedUntilMs } = advance(breaker, context.nowMs);
  const current = reports.filter(({ epoch }) => epoch === automatic.epoch);
  return {
    automatic: forced === null ? observeState(automatic, current, policy, context) : automatic,
    forced,
    probe: reports.some(({ probeId }) => probeId === probe?.probeId) ? null : probe,
    rateLimitedUntilMs: Math.max(rateLimitedUntilMs, ...reports.map(rateLimitOf)),
  };
}

/** Grants the right to probe, to one caller at a time, when the breaker is half-open; null otherwise. */
export function requestProbe(
  breaker: CircuitBreaker,
  probeId: string,
  policy: BreakerPolicy,
  nowMs: number,
): CircuitBreaker | null {
  const current = advance(breaker, nowMs);
  const { automatic, forced, probe } = current;
  if (forced !== null || automatic.state !== "half_open" || probe !== null) return null;
  return { ...current, probe: { probeId, expiresAtMs: nowMs + policy.probeLeaseMs } };
}

/**
 * An operator's decision. `auto` gives the breaker back to itself: half-open after it was held open, so that one
 * probe decides; closed with an empty window after it was held closed.
 */
export function force(
  breaker: CircuitBreaker,
  decision: { readonly state: "open" | "closed" | "auto"; readonly reason: string },
  nowMs: number,
): CircuitBreaker {
  const { automatic } = advance(breaker, nowMs);
  const { state, reason } = decision;
  if (state !== "auto") {
    return {
      ...breaker,
      automatic: nextEpoch(automatic, nowMs),
      forced: { state, reason, sinceMs: nowMs },
    };
  }
  if (breaker.forced === null) return breaker;
  const phase = { epoch: automatic.epoch + 1, sinceMs: nowMs, openings: 0 };
  return {
    ...breaker,
    forced: null,
    automatic:
      breaker.forced.state === "open"
        ? { ...phase, state: "half_open" }
        : { ...phase, state: "closed", window: [] },
  };
}

/** What the breaker says to callers, the operator's word included. */
export function effectiveState({ automatic, forced }: CircuitBreaker): EffectiveState {
  if (forced === null) return automatic.state;
  return forced.state === "open" ? "forced_open" : "closed";
}

function observeState(
  state: BreakerState,
  reports: readonly CallReport[],
  policy: BreakerPolicy,
  context: BreakerContext,
): BreakerState {
  switch (state.state) {
    case "closed": {
      let window = prune(state.window, context.nowMs);
      for (const report of reports) {
        const result = resultOf(report, policy);
        if (result === null) continue;
        window = addCall(window, result, report.endedAtMs, context.nowMs);
      }
      return isTripped(window, policy, context.nowMs)
        ? opened(state, policy, context)
        : { ...state, window };
    }
    case "half_open": {
      const results = reports.map((report) => resultOf(report, policy));
      if (results.some((result) => result === "failed" || result === "slow")) {
        return opened(state, policy, context);
      }
      return results.includes("ok")
        ? { ...phaseAfter(state, context.nowMs), state: "closed", window: [] }
        : state;
    }
    case "open":
      // Calls made all the same, because no other facilitator was left, do not shorten or lengthen it.
      return state;
    default:
      return state satisfies never;
  }
}

/** What a call counts as; null for what says nothing about the facilitator. */
function resultOf(
  { signal, durationMs }: CallReport,
  policy: BreakerPolicy,
): "ok" | "slow" | "failed" | null {
  if (isFailure(signal)) return "failed";
  if (signal !== "healthy") return null;
  return durationMs > policy.slowCallMs ? "slow" : "ok";
}

function isTripped(window: CallWindow, policy: BreakerPolicy, nowMs: number): boolean {
  return [countCalls(window, nowMs), countCalls(window, nowMs, policy.recentBucketCount)].some(
    ({ calls, failures, slow }) =>
      calls >= policy.callsMin &&
      (failures >= calls * policy.failureRateMax || failures + slow >= calls * policy.slowRateMax),
  );
}

function opened(
  state: BreakerState,
  policy: BreakerPolicy,
  { nowMs, random }: BreakerContext,
): BreakerState {
  const isForgiven = state.state === "closed" && nowMs - state.sinceMs >= policy.forgiveMs;
  const openings = isForgiven ? 1 : state.openings + 1;
  const openMs = Math.min(policy.openMs * 2 ** (openings - 1), policy.openMsMax);
  const jitter = 1 - OPEN_JITTER / 2 + OPEN_JITTER * random;
  return {
    ...phaseAfter(state, nowMs),
    openings,
    state: "open",
    untilMs: nowMs + Math.round(openMs * jitter),
  };
}

function phaseAfter({ epoch, openings }: Phase, sinceMs: number): Phase {
  return { epoch: epoch + 1, sinceMs, openings };
}

/** The same state under a new epoch: what was under way does not count any more. */
function nextEpoch(state: BreakerState, nowMs: number): BreakerState {
  return { ...state, epoch: state.epoch + 1, sinceMs: nowMs };
}

function rateLimitOf({ signal, endedAtMs, retryAfterMs }: CallReport): number {
  return signal === "rate_limited" ? endedAtMs + (retryAfterMs ?? RATE_LIMIT_MS) : 0;
}
