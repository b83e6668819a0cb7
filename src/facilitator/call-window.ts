/**
 * Counts of calls over the last minute, in buckets of time: old ones fall out as a whole, so the window needs no
 * list of calls and has a fixed size. Plain data, made to be stored.
 */

/** Twelve buckets of five seconds: a minute of memory, and a recent part short enough to see an outage begin. */
const BUCKET_MS = 5_000;
export const BUCKET_COUNT = 12;

export interface CallCounts {
  readonly calls: number;
  readonly failures: number;
  /** Calls that did not fail and took longer than the threshold. */
  readonly slow: number;
}

export interface CallBucket extends CallCounts {
  /** Number of the bucket since the epoch: milliseconds divided by `BUCKET_MS`. */
  readonly index: number;
}

/** Ascending by index, without empty buckets. */
export type CallWindow = readonly CallBucket[];

export type CallResult = "ok" | "slow" | "failed";

/** Adds a call that ended at `atMs`. Calls that are older than the window are dropped, whatever they say. */
export function addCall(
  window: CallWindow,
  result: CallResult,
  atMs: number,
  nowMs: number,
): CallWindow {
  const index = bucketIndex(Math.min(atMs, nowMs));
  if (index < oldestIndex(nowMs, BUCKET_COUNT)) return window;
  const bucket = window.find((each) => each.index === index) ?? {
    index,
    calls: 0,
    failures: 0,
    slow: 0,
  };
  const added: CallBucket = {
    index,
    calls: bucket.calls + 1,
    failures: bucket.failures + (result === "failed" ? 1 : 0),
    slow: bucket.slow + (result === "slow" ? 1 : 0),
  };
  return [...prune(window, nowMs).filter((each) => each.index !== index), added].toSorted(
    (left, right) => left.index - right.index,
  );
}

/** The window without what has become too old. */
export function prune(window: CallWindow, nowMs: number): CallWindow {
  const oldest = oldestIndex(nowMs, BUCKET_COUNT);
  return window.filter(({ index }) => index >= oldest);
}

/** Sums over the newest `bucketCount` buckets. */
export function countCalls(
  window: CallWindow,
  nowMs: number,
  bucketCount = BUCKET_COUNT,
): CallCounts {
  const oldest = oldestIndex(nowMs, bucketCount);
  let [calls, failures, slow] = [0, 0, 0];
  for (const bucket of window) {
    if (bucket.index < oldest) continue;
    calls += bucket.calls;
    failures += bucket.failures;
    slow += bucket.slow;
  }
  return { calls, failures, slow };
}

function bucketIndex(atMs: number): number {
  return Math.floor(atMs / BUCKET_MS);
}

function oldestIndex(nowMs: number, bucketCount: number): number {
  return bucketIndex(nowMs) - bucketCount + 1;
}
