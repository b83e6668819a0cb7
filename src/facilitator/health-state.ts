/**
 * All that FacilitatorHealth knows, as plain data of bounded size, and the steps that change it. Pure: the object
 * stores the result and arms its alarm.
 */
import type { FacilitatorConfig } from "../config.ts";
import { PROBE_START_MS, breakerPolicy } from "./breaker-policy.ts";
import {
  type BreakerContext,
  type CallReport,
  type CircuitBreaker,
  advance,
  effectiveState,
  force,
  initialBreaker,
  observe,
  requestProbe,
} from "./circuit-breaker.ts";
import { type EdgeRecord, recordBatch } from "./edge-records.ts";
import { type HealthAlerts, NO_ALERTS } from "./health-alerts.ts";
import {
  BATCH_OUTCOMES_MAX,
  type CallOutcome,
  type CheckView,
  type ErrorView,
  type OutcomeBatch,
  type SupportedCopy,
  type TransitionView,
} from "./health-messages.ts";
import { type Operation, isFailure } from "./health-signal.ts";
import { addLatency, emptyLatency } from "./latency.ts";
import type { FacilitatorId } from "./port.ts";
import type { RollingCounts } from "./rolling-counts.ts";
import type { HealthCheck } from "./supported.ts";

/** Raised when the stored form changes; what was stored in another form is forgotten, which costs a few probes. */
export const HEALTH_STATE_VERSION = 3;

export interface HealthState {
  readonly version: number;
  readonly facilitators: Readonly<Record<FacilitatorId, FacilitatorRecord>>;
  /** Most recently seen first. */
  readonly edges: readonly EdgeRecord[];
  /** When an edge, or an operator after it, last asked: without them there is nobody to check health for. */
  readonly lastUsedMs: number | null;
  readonly alerts: HealthAlerts;
}

export interface FacilitatorRecord {
  /** An id that is given to another URL starts afresh. */
  readonly url: string;
  readonly breakers: Readonly<Record<Operation, CircuitBreaker>>;
  readonly latency: Readonly<Record<Operation, RollingCounts>>;
  readonly supported: SupportedCopy | null;
  readonly lastCheck: CheckView | null;
  /** Newest first. */
  readonly lastErrors: readonly ErrorView[];
  /** Newest first. */
  readonly transitions: readonly TransitionView[];
}

export interface GrantedProbe {
  readonly state: HealthState;
  /** The epoch it runs under. */
  readonly epoch: number;
  readonly startWithinMs: number;
}

const OPERATIONS = ["verify", "settle"] as const satisfies readonly Operation[];

const LAST_ERRORS_MAX = 8;
const TRANSITIONS_MAX = 16;

export function initialHealth(configs: readonly FacilitatorConfig[], nowMs: number): HealthState {
  return withFacilitators(
    {
      version: HEALTH_STATE_VERSION,
      facilitators: {},
      edges: [],
      lastUsedMs: null,
      alerts: NO_ALERTS,
    },
    configs,
    nowMs,
  );
}

/** The state with exactly the configured facilitators: new ones fresh, removed ones forgotten. */
export function withFacilitators(
  state: HealthState,
  configs: readonly FacilitatorConfig[],
  nowMs: number,
): HealthState {
  const facilitators = Object.fromEntries(
    configs.map(({ id, url }) => {
      const known = state.facilitators[id];
      return [id, known !== undefined && known.url === url ? known : freshRecord(url, nowMs)];
    }),
  );
  return { ...state, facilitators };
}

/** Takes in a batch of outcomes; the state itself when it was taken in before. */
export function applyBatch(
  state: HealthState,
  batch: OutcomeBatch,
  configs: readonly FacilitatorConfig[],
  context: BreakerContext,
): HealthState {
  const outcomes = batch.outcomes
    .slice(-BATCH_OUTCOMES_MAX)
    .filter(({ facilitatorId }) => Object.hasOwn(state.facilitators, facilitatorId));
  const edges = recordBatch(state.edges, { ...batch, outcomes }, context.nowMs);
  if (edges === null) return state;
  let next: HealthState = { ...state, edges };
  for (const config of configs) {
    const own = outcomes.filter(({ facilitatorId }) => facilitatorId === config.id);
    if (own.length === 0) continue;
    next = updated(next, config.id, (record) =>
      withOutcomes(record, own, batch.instanceId, config, context),
    );
  }
  return next;
}

/**
 * Takes in a health check. One that got no answer counts against both operations; one that did says nothing for
 * them: a facilitator can list its kinds and settle nothing.
 */
export function applyCheck(
  state: HealthState,
  config: FacilitatorConfig,
  check: HealthCheck,
  context: BreakerContext,
): HealthState {
  const { nowMs } = context;
  const { signal, durationMs, supported } = check;
  const hasNoAnswer = signal === "unreachable" || signal === "timeout";
  return updated(state, config.id, (record) => {
    let next = record;
    for (const operation of hasNoAnswer ? OPERATIONS : []) {
      const { epoch } = advance(next.breakers[operation], nowMs).automatic;
      const report: CallReport = {
        signal,
        epoch,
        endedAtMs: nowMs,
        durationMs,
        probeId: null,
        retryAfterMs: null,
      };
      next = withReports(next, operation, [report], config, context, "check");
    }
    const error: ErrorView = {
      atMs: nowMs,
      source: "check",
      signal,
      reason: null,
      instanceId: null,
    };
    return {
      ...next,
      supported: supported === null ? next.supported : { ...supported, fetchedAtMs: nowMs },
      lastCheck: { atMs: nowMs, signal, durationMs },
      lastErrors:
        signal === "healthy"
          ? next.lastErrors
          : newestFirst([error], next.lastErrors, LAST_ERRORS_MAX),
    };
  });
}

/** The state after a probe was granted, and what its holder has to know; null when it is denied. */
export function grantProbe(
  state: HealthState,
  config: FacilitatorConfig,
  operation: Operation,
  probeId: string,
  nowMs: number,
): GrantedProbe | null {
  const record = state.facilitators[config.id];
  const policy = breakerPolicy(operation, config);
  const granted =
    record === undefined ? null : requestProbe(record.breakers[operation], probeId, policy, nowMs);
  if (granted === null) return null;
  return {
    state: updated(state, config.id, (known) =>
      withBreaker(known, operation, granted, nowMs, "time"),
    ),
    epoch: granted.automatic.epoch,
    startWithinMs: PROBE_START_MS[operation],
  };
}

/** Applies an operator's decision to both operations of a facilitator. */
export function forceFacilitator(
  state: HealthState,
  facilitatorId: FacilitatorId,
  decision: Parameters<typeof force>[1],
  nowMs: number,
): HealthState {
  return updated(state, facilitatorId, (record) => {
    let next = record;
    for (const operation of OPERATIONS) {
      const forced = force(next.breakers[operation], decision, nowMs);
      next = withBreaker(next, operation, forced, nowMs, "operator");
    }
    return next;
  });
}

function freshRecord(url: string, nowMs: number): FacilitatorRecord {
  return {
    url,
    breakers: { verify: initialBreaker(nowMs), settle: initialBreaker(nowMs) },
    latency: { verify: emptyLatency(nowMs), settle: emptyLatency(nowMs) },
    supported: null,
    lastCheck: null,
    lastErrors: [],
    transitions: [],
  };
}

function updated(
  state: HealthState,
  facilitatorId: FacilitatorId,
  update: (record: FacilitatorRecord) => FacilitatorRecord,
): HealthState {
  const record = state.facilitators[facilitatorId];
  if (record === undefined) return state;
  return { ...state, facilitators: { ...state.facilitators, [facilitatorId]: update(record) } };
}

function withOutcomes(
  record: FacilitatorRecord,
  outcomes: readonly CallOutcome[],
  instanceId: string,
  config: FacilitatorConfig,
  context: BreakerContext,
): FacilitatorRecord {
  let next = record;
  for (const operation of OPERATIONS) {
    const own = outcomes.filter((outcome) => outcome.operation === operation);
    if (own.length === 0) continue;
    const reports = own.map(
      ({ signal, epoch, ageMs, durationMs, probeId, retryAfterMs }): CallReport => ({
        signal,
        epoch,
        endedAtMs: context.nowMs - Math.max(0, ageMs),
        durationMs,
        probeId,
        retryAfterMs,
      }),
    );
    next = withReports(next, operation, reports, config, context, "calls");
    let latency = next.latency[operation];
    for (const { signal, durationMs } of own) {
      // No call of its own: what it is about was counted when it was answered.
      if (signal !== "contradicted") latency = addLatency(latency, durationMs, context.nowMs);
    }
    next = { ...next, latency: { ...next.latency, [operation]: latency } };
  }
  const errors = outcomes
    .filter(({ signal }) => isFailure(signal))
    .map(({ operation, signal, reason, ageMs }): ErrorView => ({
      atMs: context.nowMs - ageMs,
      source: operation,
      signal,
      reason,
      instanceId,
    }));
  return { ...next, lastErrors: newestFirst(errors, next.lastErrors, LAST_ERRORS_MAX) };
}

function withReports(
  record: FacilitatorRecord,
  operation: Operation,
  reports: readonly CallReport[],
  config: FacilitatorConfig,
  context: BreakerContext,
  cause: TransitionView["cause"],
): FacilitatorRecord {
  const policy = breakerPolicy(operation, config);
  const advanced = advance(record.breakers[operation], context.nowMs);
  const timed = withBreaker(record, operation, advanced, context.nowMs, "time");
  const observed = observe(advanced, reports, policy, context);
  return withBreaker(timed, operation, observed, context.nowMs, cause);
}

/** Replaces a breaker, and notes it when callers see another state than before. */
function withBreaker(
  record: FacilitatorRecord,
  operation: Operation,
  breaker: CircuitBreaker,
  nowMs: number,
  cause: TransitionView["cause"],
): FacilitatorRecord {
  const from = effectiveState(record.breakers[operation]);
  const to = effectiveState(breaker);
  const transition: TransitionView = { atMs: nowMs, operation, from, to, cause };
  return {
    ...record,
    breakers: { ...record.breakers, [operation]: breaker },
    transitions:
      from === to
        ? record.transitions
        : newestFirst([transition], record.transitions, TRANSITIONS_MAX),
  };
}

function newestFirst<Item extends { readonly atMs: number }>(
  added: readonly Item[],
  known: readonly Item[],
  countMax: number,
): readonly Item[] {
  return [...added, ...known].toSorted((left, right) => right.atMs - left.atMs).slice(0, countMax);
}
