/** Latency percentiles from a small fixed histogram: good to the width of a bucket, and a few numbers to store. */
import { type RollingCounts, addCount, emptyCounts, totalCounts } from "./rolling-counts.ts";

/** Upper bounds of the buckets, milliseconds; one more bucket takes what is longer. */
const BOUNDS_MS = [
  5, 10, 20, 35, 50, 75, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 60_000,
] as const;
/** Percentiles cover the last five to ten minutes. */
const PERIOD_MS = 5 * 60_000;

export interface LatencyPercentiles {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export function emptyLatency(nowMs: number): RollingCounts {
  return emptyCounts(BOUNDS_MS.length + 1, nowMs);
}

export function addLatency(
  counts: RollingCounts,
  durationMs: number,
  nowMs: number,
): RollingCounts {
  const slot = BOUNDS_MS.findIndex((boundMs) => durationMs <= boundMs);
  return addCount(counts, slot === -1 ? BOUNDS_MS.length : slot, PERIOD_MS, nowMs);
}

/** Upper bounds of the buckets in which the percentiles lie; null without calls. */
export function latencyPercentiles(
  counts: RollingCounts,
  nowMs: number,
): LatencyPercentiles | null {
  const totals = totalCounts(counts, PERIOD_MS, nowMs);
  const count = totals.reduce((sum, each) => sum + each, 0);
  if (count === 0) return null;
  const percentileMs = (fraction: number): number => {
    let rank = Math.ceil(count * fraction);
    const slot = totals.findIndex((each) => (rank -= each) <= 0);
    return BOUNDS_MS[slot] ?? BOUNDS_MS[BOUNDS_MS.length - 1] ?? 0;
  };
  return {
    count,
    p50Ms: percentileMs(0.5),
    p95Ms: percentileMs(0.95),
    p99Ms: percentileMs(0.99),
  };
}
