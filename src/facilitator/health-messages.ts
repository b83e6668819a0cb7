/**
 * Messages between edges and the FacilitatorHealth object. Times are milliseconds; what crosses machines is given as
 * an age where it can be, so that clocks need not agree.
 */
import type { BreakerState, EffectiveState, ForcedState } from "./circuit-breaker.ts";
import type { CallCounts } from "./call-window.ts";
import type { HealthSignal, Operation } from "./health-signal.ts";
import type { LatencyPercentiles } from "./latency.ts";
import type { ListedKind } from "./payment-kind.ts";
import type { FacilitatorId } from "./port.ts";
import type { SupportedList } from "./supported.ts";

/** How one call to a facilitator ended, as its caller saw it. */
export interface ObservedCall {
  readonly facilitatorId: FacilitatorId;
  readonly operation: Operation;
  readonly signal: HealthSignal;
  /** Normalised reason; null when it succeeded. */
  readonly reason: string | null;
  /** Epoch of the breaker in the copy the call was admitted by. */
  readonly epoch: number;
  readonly durationMs: number;
  /** Set when the call was a probe. */
  readonly probeId: string | null;
  /** What an unavailable facilitator asked for; null when it did not say. */
  readonly retryAfterMs: number | null;
}

export interface CallOutcome extends ObservedCall {
  /** How long ago it ended when the batch was sent. */
  readonly ageMs: number;
}

/** Longest batch; an edge with more to tell drops its oldest. */
export const BATCH_OUTCOMES_MAX = 256;

export interface OutcomeBatch {
  /** Random name of the edge's isolate. */
  readonly instanceId: string;
  /** 1, 2, 3, ... per instance: with it, the report's id. A batch that arrives again is dropped. */
  readonly sequence: number;
  readonly outcomes: readonly CallOutcome[];
}

/** What an edge needs to choose a facilitator; refreshed about once a second. */
export interface RoutingHealth {
  readonly facilitators: Readonly<Record<FacilitatorId, FacilitatorStanding>>;
}

export interface FacilitatorStanding {
  readonly verify: BreakerStanding;
  readonly settle: BreakerStanding;
  /** Null when it never answered a health check. */
  readonly kinds: readonly ListedKind[] | null;
  /** Keys of the x402 extensions that it lists. */
  readonly extensions: readonly string[];
  /** Null without calls in the last minutes. */
  readonly verifyP95Ms: number | null;
}

export interface BreakerStanding {
  readonly state: EffectiveState;
  readonly epoch: number;
  readonly isProbing: boolean;
  readonly rateLimitedUntilMs: number;
}

export type ProbeReply =
  | {
      readonly result: "granted";
      readonly probeId: string;
      readonly epoch: number;
      /** From when it was asked for; a probe that is made later could meet the next one. */
      readonly startWithinMs: number;
    }
  | { readonly result: "denied" };

export type ForceReply = { readonly result: "done" } | { readonly result: "unknown_facilitator" };

/** All that is known in one region, for operators. */
export interface HealthView {
  readonly facilitators: readonly FacilitatorView[];
  readonly edges: readonly EdgeView[];
}

export interface FacilitatorView {
  readonly id: FacilitatorId;
  readonly url: string;
  readonly verify: OperationView;
  readonly settle: OperationView;
  readonly supported: SupportedView | null;
  readonly lastCheck: CheckView | null;
  /** Newest first. */
  readonly lastErrors: readonly ErrorView[];
  /** Newest first. */
  readonly transitions: readonly TransitionView[];
}

export interface OperationView {
  /** What callers go by: the operator's word, else the breaker's own state. */
  readonly state: EffectiveState;
  readonly forced: ForcedState | null;
  readonly automatic: BreakerState["state"];
  readonly sinceMs: number;
  readonly epoch: number;
  /** Set while open. */
  readonly untilMs: number | null;
  readonly rateLimitedUntilMs: number | null;
  /** Calls of the last minute that count for the breaker; since it last closed. */
  readonly window: CallCounts;
  readonly latency: LatencyPercentiles | null;
  /** Edges that lately called, and those of them that saw failures: a failure of one edge may be that edge's. */
  readonly callingEdges: number;
  readonly failingEdges: number;
}

/** The last list that was read; a stale one is kept through an outage. */
export interface SupportedCopy extends SupportedList {
  readonly fetchedAtMs: number;
}

export interface SupportedView extends SupportedCopy {
  /** Past its time to live: checks fail, or nobody has called for a while. It is still gone by. */
  readonly isStale: boolean;
}

export interface CheckView {
  readonly atMs: number;
  readonly signal: HealthSignal;
  readonly durationMs: number;
}

export interface ErrorView {
  readonly atMs: number;
  readonly source: Operation | "check";
  readonly signal: HealthSignal;
  readonly reason: string | null;
  readonly instanceId: string | null;
}

export interface TransitionView {
  readonly atMs: number;
  readonly operation: Operation;
  readonly from: EffectiveState;
  readonly to: EffectiveState;
  readonly cause: "calls" | "check" | "time" | "operator";
}

export interface EdgeView {
  readonly instanceId: string;
  readonly lastSeenMs: number;
  readonly calls: readonly EdgeCalls[];
}

/** Calls of one edge in the last one to two minutes. */
export interface EdgeCalls {
  readonly facilitatorId: FacilitatorId;
  readonly operation: Operation;
  readonly calls: number;
  readonly failures: number;
}
