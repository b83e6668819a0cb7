/** What each edge instance saw, for operators: a failure that one edge alone sees may be that edge's own. */
import { isFailure, type Operation } from "./health-signal.ts";
import type { EdgeCalls, EdgeView, OutcomeBatch } from "./health-messages.ts";
import type { FacilitatorId } from "./port.ts";
import { type RollingCounts, addCount, emptyCounts, totalCounts } from "./rolling-counts.ts";

export interface EdgeRecord {
  readonly instanceId: string;
  readonly lastSeenMs: number;
  readonly received: ReceivedSequences;
  /** By `callsKey`: [succeeded, failed]. */
  readonly calls: Readonly<Record<string, RollingCounts>>;
}

/** The anti-replay window of RFC 4303: the highest number received, and which of the 32 up to it were. */
export interface ReceivedSequences {
  readonly highest: number;
  /** Bit n stands for `highest - n`. */
  readonly bitmap: number;
}

/** Edges come and go with their isolates; the ones that were silent longest are forgotten. */
const EDGES_MAX = 32;
const EDGE_IDLE_MS = 10 * 60_000;
const CALLS_PERIOD_MS = 60_000;
const SEQUENCE_WINDOW = 32;

/** The edges with this batch taken in; null when it was taken in before, or is too old to tell. */
export function recordBatch(
  edges: readonly EdgeRecord[],
  batch: OutcomeBatch,
  nowMs: number,
): readonly EdgeRecord[] | null {
  const known = edges.find(({ instanceId }) => instanceId === batch.instanceId);
  const received = receive(known?.received ?? { highest: 0, bitmap: 0 }, batch.sequence);
  if (received === null) return null;
  const calls: Record<string, RollingCounts> = { ...known?.calls };
  for (const { facilitatorId, operation, signal } of batch.outcomes) {
    const key = callsKey(facilitatorId, operation);
    calls[key] = addCount(
      calls[key] ?? emptyCounts(2, nowMs),
      isFailure(signal) ? 1 : 0,
      CALLS_PERIOD_MS,
      nowMs,
    );
  }
  const record = { instanceId: batch.instanceId, lastSeenMs: nowMs, received, calls };
  const others = edges.filter(
    ({ instanceId, lastSeenMs }) =>
      instanceId !== batch.instanceId && nowMs - lastSeenMs < EDGE_IDLE_MS,
  );
  return [record, ...others].slice(0, EDGES_MAX);
}

export function edgeView(edge: EdgeRecord, nowMs: number): EdgeView {
  const calls = Object.entries(edge.calls).map(([key, counts]): EdgeCalls => {
    const [succeeded = 0, failures = 0] = totalCounts(counts, CALLS_PERIOD_MS, nowMs);
    return { ...parseCallsKey(key), calls: succeeded + failures, failures };
  });
  return {
    instanceId: edge.instanceId,
    lastSeenMs: edge.lastSeenMs,
    calls: calls.filter((each) => each.calls > 0),
  };
}

/** Null for a number that was received before or lies below the window. */
export function receive(
  { highest, bitmap }: ReceivedSequences,
  sequence: number,
): ReceivedSequences | null {
  if (sequence > highest) {
    const shift = sequence - highest;
    return {
      highest: sequence,
      bitmap: ((shift < SEQUENCE_WINDOW ? bitmap << shift : 0) | 1) >>> 0,
    };
  }
  const age = highest - sequence;
  if (age >= SEQUENCE_WINDOW) return null;
  const bit = (1 << age) >>> 0;
  return (bitmap & bit) === 0 ? { highest, bitmap: (bitmap | bit) >>> 0 } : null;
}

function callsKey(facilitatorId: FacilitatorId, operation: Operation): string {
  return `${operation}:${facilitatorId}`;
}

function parseCallsKey(key: string): Pick<EdgeCalls, "facilitatorId" | "operation"> {
  const separator = key.indexOf(":");
  return {
    operation: key.slice(0, separator) === "settle" ? "settle" : "verify",
    facilitatorId: key.slice(separator + 1),
  };
}
