/** Two targets, measured in turns so that whatever else the machine does falls on both. */
import { type LoopResult, closedLoop } from "./closed-loop.ts";

export interface Contender {
  readonly port: number;
  readonly nextRequest: () => Buffer | null;
  readonly expected: string;
}

export interface Rounds {
  readonly concurrency: number;
  readonly rounds: number;
  readonly callsPerRound: number;
  readonly roundMsMax: number;
  /** Milliseconds over which the connections of a round start; all at once without it. */
  readonly startSpreadMs?: number;
}

export interface Comparison {
  readonly ours: Summary;
  readonly reference: Summary;
  /** Medians over the rounds of ours divided by the reference's. */
  readonly rateRatio: number;
  readonly p50Ratio: number;
}

/** Medians over the rounds. */
export interface Summary {
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export async function compare(
  ours: Contender,
  reference: Contender,
  rounds: Rounds,
): Promise<Comparison> {
  const pairs: { readonly ours: LoopResult; readonly reference: LoopResult }[] = [];
  for (let round = 0; round < rounds.rounds; round += 1) {
    const measureOurs = () => oneRound(ours, rounds);
    const measureReference = () => oneRound(reference, rounds);
    // Who goes first changes, so that neither always gets the machine the other has warmed or tired.
    pairs.push(
      round % 2 === 0
        ? { ours: await measureOurs(), reference: await measureReference() }
        : swapped(await measureReference(), await measureOurs()),
    );
  }
  const ratios = (of: (result: LoopResult) => number) =>
    median(pairs.map((pair) => of(pair.ours) / of(pair.reference)));
  return {
    ours: summaryOf(pairs.map((pair) => pair.ours)),
    reference: summaryOf(pairs.map((pair) => pair.reference)),
    rateRatio: ratios(({ callsPerSecond }) => callsPerSecond),
    p50Ratio: ratios(({ latenciesMs }) => quantile(latenciesMs, 0.5)),
  };
}

/** One round of one contender: as many calls as asked for, or as many as there is time for. */
export function oneRound(
  { port, nextRequest, expected }: Contender,
  { concurrency, callsPerRound, roundMsMax, startSpreadMs = 0 }: Omit<Rounds, "rounds">,
): Promise<LoopResult> {
  let left = callsPerRound;
  return closedLoop({
    port,
    concurrency,
    durationMs: roundMsMax,
    expected,
    startSpreadMs,
    nextRequest: () => {
      left -= 1;
      return left < 0 ? null : nextRequest();
    },
  });
}

export function summaryOf(results: readonly LoopResult[]): Summary {
  const each = (of: (result: LoopResult) => number) => median(results.map(of));
  return {
    callsPerSecond: each(({ callsPerSecond }) => callsPerSecond),
    p50Ms: each(({ latenciesMs }) => quantile(latenciesMs, 0.5)),
    p95Ms: each(({ latenciesMs }) => quantile(latenciesMs, 0.95)),
    p99Ms: each(({ latenciesMs }) => quantile(latenciesMs, 0.99)),
  };
}

export function median(values: readonly number[]): number {
  return quantile(Float64Array.from(values).toSorted(), 0.5);
}

/** @param sorted ascending */
function quantile(sorted: Float64Array, share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error("nothing was measured");
  return value;
}

function swapped(reference: LoopResult, ours: LoopResult) {
  return { ours, reference };
}
