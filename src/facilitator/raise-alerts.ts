/**
 * When operators should hear of the facilitators' health. Pure: a change of state goes in, and comes out with what it
 * is worth an alert for. Alerts wait in the state until they are in the platform's directory.
 */
import type { FacilitatorConfig } from "../config.ts";
import { effectiveState } from "./circuit-breaker.ts";
import { edgeView } from "./edge-records.ts";
import type { HealthAlert } from "./health-alerts.ts";
import type { TransitionView } from "./health-messages.ts";
import type { Operation } from "./health-signal.ts";
import type { HealthState } from "./health-state.ts";
import { type PaymentKind, isSameKind } from "./payment-kind.ts";
import type { Region } from "./region.ts";

/** While the directory is out of reach; the oldest are dropped, the transitions stay in the operators' view. */
const WAITING_MAX = 64;
/** Below this part of the settlements of the last one to two minutes. */
const SETTLE_SUCCESS_TARGET = 0.95;
/** Fewer settlements say little: one that fails is no trend. */
const SETTLE_CALLS_MIN = 20;

const OPERATIONS = ["verify", "settle"] as const satisfies readonly Operation[];

/** What the state is about. */
export interface AlertScope {
  readonly region: Region;
  readonly facilitators: readonly FacilitatorConfig[];
  /** CAIP-2. */
  readonly networks: readonly string[];
}

/** Adds what happened between the two states to the alerts of the later one. */
export function withAlerts(
  before: HealthState,
  after: HealthState,
  { region, facilitators: configs, networks }: AlertScope,
  nowMs: number,
): HealthState {
  const kinds = kindsOf([before, after], networks);
  const lasting = [...unservedKinds(after, configs, kinds), ...lowSettlers(after, nowMs)];
  const raised = [
    ...changes(before, after),
    ...lasting.filter(({ key }) => !after.alerts.lasting.includes(key)),
  ];
  const keys = lasting.map(({ key }) => key);
  if (raised.length === 0 && keys.length === after.alerts.lasting.length) return after;
  // Numbered by the clock: a state that was lost and starts afresh does not use a number twice.
  const first = Math.max(after.alerts.lastAlert + 1, nowMs);
  const alerts = raised.map(({ kind, detail }, index): HealthAlert => ({
    alert: first + index,
    kind,
    detail: `${detail} (region ${region})`,
    atMs: nowMs,
  }));
  return {
    ...after,
    alerts: {
      waiting: [...after.alerts.waiting, ...alerts].slice(-WAITING_MAX),
      lastAlert: alerts.at(-1)?.alert ?? after.alerts.lastAlert,
      lasting: keys,
    },
  };
}

/** The state without alerts that have arrived. */
export function withoutAlerts(state: HealthState, arrived: readonly HealthAlert[]): HealthState {
  const last = arrived.at(-1)?.alert ?? 0;
  const waiting = state.alerts.waiting.filter(({ alert }) => alert > last);
  return { ...state, alerts: { ...state.alerts, waiting } };
}

type Raised = Pick<HealthAlert, "kind" | "detail">;

function changes(before: HealthState, after: HealthState): Raised[] {
  return Object.entries(after.facilitators).flatMap(([id, record]) => {
    const known = before.facilitators[id]?.transitions ?? [];
    return record.transitions
      .filter((transition) => !known.includes(transition))
      .toReversed()
      .flatMap((transition) => changeOf(id, transition) ?? []);
  });
}

/** Null for what an operator did, and for the passing of time. */
function changeOf(id: string, { operation, from, to, cause }: TransitionView): Raised | null {
  if (cause === "operator" || cause === "time") return null;
  const what = `${operation} at ${id}`;
  if (to === "open") {
    return from === "half_open"
      ? { kind: "facilitator_probe_failed", detail: `${what} was tried again and failed` }
      : { kind: "facilitator_open", detail: `${what} fails; calls go elsewhere` };
  }
  return to === "closed" ? { kind: "facilitator_recovered", detail: `${what} works again` } : null;
}

type Lasting = Raised & { readonly key: string };

/** Kinds that are sold everywhere, and those that somebody listed in one of the states: one may be withdrawn by now. */
function kindsOf(states: readonly HealthState[], networks: readonly string[]): PaymentKind[] {
  const kinds: PaymentKind[] = networks.map((network) => ({
    x402Version: 2,
    scheme: "exact",
    network,
  }));
  const records = states.flatMap(({ facilitators }) => Object.values(facilitators));
  for (const listed of records.flatMap(({ supported }) => supported?.kinds ?? [])) {
    if (!kinds.some((kind) => isSameKind(kind, listed))) kinds.push(listed);
  }
  return kinds;
}

/** Those of the kinds that no facilitator with a closed breaker serves. */
function unservedKinds(
  { facilitators }: HealthState,
  configs: readonly FacilitatorConfig[],
  kinds: readonly PaymentKind[],
): Lasting[] {
  return OPERATIONS.flatMap((operation) =>
    kinds
      .filter(
        (kind) =>
          !configs.some((config) => {
            const record = facilitators[config.id];
            const listed = record?.supported?.kinds ?? null;
            return (
              record !== undefined &&
              effectiveState(record.breakers[operation]) === "closed" &&
              (config.networks === undefined || config.networks.includes(kind.network)) &&
              (listed === null || listed.some((each) => isSameKind(each, kind)))
            );
          }),
      )
      .map(({ x402Version, scheme, network }): Lasting => {
        const name = `${operation} of ${scheme} on ${network} (v${x402Version})`;
        return {
          key: `no_facilitator ${name}`,
          kind: "no_facilitator",
          detail: `no facilitator is well for ${name}`,
        };
      }),
  );
}

function lowSettlers({ edges, facilitators }: HealthState, nowMs: number): Lasting[] {
  const seen = edges.flatMap((edge) => edgeView(edge, nowMs).calls);
  return Object.keys(facilitators).flatMap((id): Lasting[] => {
    let [calls, failures] = [0, 0];
    for (const each of seen) {
      if (each.facilitatorId !== id || each.operation !== "settle") continue;
      calls += each.calls;
      failures += each.failures;
    }
    if (calls < SETTLE_CALLS_MIN || failures <= calls * (1 - SETTLE_SUCCESS_TARGET)) return [];
    const detail = `${failures} of the last ${calls} settlements at ${id} failed`;
    return [{ key: `settle_success_low ${id}`, kind: "settle_success_low", detail }];
  });
}
