import type { PlatformConfig } from "../config.ts";

/** Added to the longest settle deadline: the record of the outcome has to arrive too. */
const ATTEMPT_LEASE_MARGIN_MS = 5_000;

/** How long a settlement attempt may stay unanswered before it counts as ambiguous, milliseconds. */
export function attemptLeaseMs({ facilitators }: Pick<PlatformConfig, "facilitators">): number {
  return (
    Math.max(...facilitators.map(({ timeouts }) => timeouts.settleMs)) + ATTEMPT_LEASE_MARGIN_MS
  );
}
