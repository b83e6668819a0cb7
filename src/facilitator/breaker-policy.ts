import type { FacilitatorConfig } from "../config.ts";
import type { BreakerPolicy } from "./circuit-breaker.ts";
import type { Operation } from "./health-signal.ts";

const COMMON = {
  // Three failures in a minute open a quiet facilitator; a fallback or a probe five seconds later costs little.
  callsMin: 3,
  failureRateMax: 0.5,
  slowRateMax: 0.8,
  // Five to ten seconds: under load, half of them failing is an outage, however good the minute was.
  recentBucketCount: 2,
  openMs: 5_000,
  openMsMax: 5 * 60_000,
  forgiveMs: 10 * 60_000,
} as const;

/** Part of the timeout after which an answer counts as slow. */
const SLOW_FRACTION = 0.6;
/**
 * How soon a probe has to be made after it was asked for. A verification is made at once; a settlement first waits
 * for the handler of its payment.
 */
export const PROBE_START_MS = { verify: 5_000, settle: 30_000 } as const;
/** Around a probe's own call: two seconds to ask whether the facilitator can be reached, and what a busy isolate adds. */
const PROBE_MARGIN_MS = 5_000;

export function breakerPolicy(
  operation: Operation,
  { timeouts }: Pick<FacilitatorConfig, "timeouts">,
): BreakerPolicy {
  const timeoutMs = operation === "verify" ? timeouts.verifyMs : timeouts.settleMs;
  return {
    ...COMMON,
    slowCallMs: timeoutMs * SLOW_FRACTION,
    probeLeaseMs: PROBE_START_MS[operation] + timeoutMs + PROBE_MARGIN_MS,
  };
}
