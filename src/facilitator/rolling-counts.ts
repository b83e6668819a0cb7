/**
 * Counters of the last one to two periods: a running period and the one before it. Of fixed size and plain data, for
 * what is only shown (percentiles, who saw what) and never decides.
 */
export interface RollingCounts {
  /** Start of the running period. */
  readonly sinceMs: number;
  readonly current: readonly number[];
  readonly previous: readonly number[];
}

export function emptyCounts(size: number, nowMs: number): RollingCounts {
  const zeros = Array<number>(size).fill(0);
  return { sinceMs: nowMs, current: zeros, previous: zeros };
}

/** Adds one to the counter at `slot`. */
export function addCount(
  counts: RollingCounts,
  slot: number,
  periodMs: number,
  nowMs: number,
): RollingCounts {
  const rolled = roll(counts, periodMs, nowMs);
  return { ...rolled, current: rolled.current.with(slot, (rolled.current[slot] ?? 0) + 1) };
}

/** Sums of both periods. */
export function totalCounts(counts: RollingCounts, periodMs: number, nowMs: number): number[] {
  const { current, previous } = roll(counts, periodMs, nowMs);
  return current.map((count, slot) => count + (previous[slot] ?? 0));
}

function roll(counts: RollingCounts, periodMs: number, nowMs: number): RollingCounts {
  const ageMs = nowMs - counts.sinceMs;
  if (ageMs < periodMs) return counts;
  const empty = emptyCounts(counts.current.length, nowMs);
  return ageMs < 2 * periodMs ? { ...empty, previous: counts.current } : empty;
}
