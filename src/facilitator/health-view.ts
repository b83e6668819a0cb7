/** What others see of the health state: the little that edges route by, and everything, for operators. */
import { countCalls } from "./call-window.ts";
import { type CircuitBreaker, advance, effectiveState } from "./circuit-breaker.ts";
import { edgeView } from "./edge-records.ts";
import type {
  BreakerStanding,
  EdgeView,
  FacilitatorStanding,
  FacilitatorView,
  HealthView,
  OperationView,
  RoutingHealth,
  SupportedView,
} from "./health-messages.ts";
import type { Operation } from "./health-signal.ts";
import type { FacilitatorRecord, HealthState } from "./health-state.ts";
import { latencyPercentiles } from "./latency.ts";
import type { FacilitatorId } from "./port.ts";

/** A list of kinds is fresh for this long: the health checks of a minute, one of which may be lost. */
const SUPPORTED_TTL_MS = 60_000;

export function routingHealth(state: HealthState, nowMs: number): RoutingHealth {
  const facilitators = Object.fromEntries(
    Object.entries(state.facilitators).map(([id, record]): [string, FacilitatorStanding] => [
      id,
      {
        verify: breakerStanding(record.breakers.verify, nowMs),
        settle: breakerStanding(record.breakers.settle, nowMs),
        kinds: record.supported?.kinds ?? null,
        extensions: record.supported?.extensions ?? [],
        verifyP95Ms: latencyPercentiles(record.latency.verify, nowMs)?.p95Ms ?? null,
      },
    ]),
  );
  return { facilitators };
}

export function healthView(state: HealthState, nowMs: number): HealthView {
  const edges = state.edges.map((edge) => edgeView(edge, nowMs));
  const facilitators = Object.entries(state.facilitators).map(([id, record]): FacilitatorView => ({
    id,
    url: record.url,
    verify: operationView(id, "verify", record, edges, nowMs),
    settle: operationView(id, "settle", record, edges, nowMs),
    supported: supportedView(record, nowMs),
    lastCheck: record.lastCheck,
    lastErrors: record.lastErrors,
    transitions: record.transitions,
  }));
  return { facilitators, edges };
}

function breakerStanding(breaker: CircuitBreaker, nowMs: number): BreakerStanding {
  const current = advance(breaker, nowMs);
  const { automatic } = current;
  return {
    state: effectiveState(current),
    epoch: automatic.epoch,
    isProbing: current.probe !== null,
    rateLimitedUntilMs: current.rateLimitedUntilMs,
  };
}

function supportedView({ supported }: FacilitatorRecord, nowMs: number): SupportedView | null {
  return supported === null
    ? null
    : { ...supported, isStale: nowMs - supported.fetchedAtMs >= SUPPORTED_TTL_MS };
}

function operationView(
  facilitatorId: FacilitatorId,
  operation: Operation,
  record: FacilitatorRecord,
  edges: readonly EdgeView[],
  nowMs: number,
): OperationView {
  const breaker = advance(record.breakers[operation], nowMs);
  const { automatic, forced, rateLimitedUntilMs } = breaker;
  const calling = edges
    .flatMap(({ calls }) => calls)
    .filter((each) => each.facilitatorId === facilitatorId && each.operation === operation);
  return {
    state: effectiveState(breaker),
    forced,
    automatic: automatic.state,
    sinceMs: forced?.sinceMs ?? automatic.sinceMs,
    epoch: automatic.epoch,
    untilMs: automatic.state === "open" ? automatic.untilMs : null,
    rateLimitedUntilMs: rateLimitedUntilMs > nowMs ? rateLimitedUntilMs : null,
    window: countCalls(automatic.state === "closed" ? automatic.window : [], nowMs),
    latency: latencyPercentiles(record.latency[operation], nowMs),
    callingEdges: calling.length,
    failingEdges: calling.filter(({ failures }) => failures > 0).length,
  };
}
