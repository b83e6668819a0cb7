import type {
  ForceReply,
  HealthView,
  OutcomeBatch,
  ProbeReply,
  RoutingHealth,
} from "../../src/facilitator/health-messages.ts";
import type { Operation } from "../../src/facilitator/health-signal.ts";
import type { FacilitatorId } from "../../src/facilitator/port.ts";
import { DEFAULT_REGION, type Region, healthObjectName } from "../../src/facilitator/region.ts";

/** Calls reject when the object can't be reached: its answers are advice, and every caller can do without. */
export interface FacilitatorHealthClient {
  /** Hands in what an edge saw and takes the state to route by; a batch that arrives twice counts once. */
  report(batch: OutcomeBatch): Promise<RoutingHealth>;
  requestProbe(facilitatorId: FacilitatorId, operation: Operation): Promise<ProbeReply>;
  view(): Promise<HealthView>;
  /** An operator's word, for both operations of a facilitator; `auto` takes it back. */
  force(
    facilitatorId: FacilitatorId,
    state: "open" | "closed" | "auto",
    reason: string,
  ): Promise<ForceReply>;
}

/** The health that all edges of a region share. */
export function facilitatorHealthOf(
  { FACILITATOR_HEALTH }: Pick<Env, "FACILITATOR_HEALTH">,
  region: Region,
): FacilitatorHealthClient {
  // The hint counts when the object is first reached, by whomever; without one it is put close to its first caller.
  const options = region === DEFAULT_REGION ? {} : { locationHint: region };
  // A stub is useless after an exception, so each call makes its own.
  const stub = () => FACILITATOR_HEALTH.getByName(healthObjectName(region), options);
  return {
    report: (batch) => stub().report(batch),
    requestProbe: (facilitatorId, operation) => stub().requestProbe(facilitatorId, operation),
    view: () => stub().view(),
    force: (facilitatorId, state, reason) => stub().force(facilitatorId, state, reason),
  };
}
