/** How the drain goes through what is due: a few payments at a time, the next one as soon as one is done. */
import type { SettleSlots } from "./settle-slots.ts";

export interface DueSource {
  /** Ids of payments that are due, the longest-waiting first. */
  due(nowMs: number, limit: number): string[];
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** A Worker may hold six outgoing connections at once. */
export const CONCURRENCY = 6;
/** No payment is begun later than this after the start; those in hand then end with their calls' own deadlines. */
export const DRAIN_MS_MAX = 15_000;
/**
 * Payments per alarm, and payments that it looks at before it leaves the rest for the next one: about two seconds of
 * CPU, of the thirty that an alarm has.
 */
export const PAYMENTS_MAX = 2_000;
/** Payments per read of the due index. */
const BATCH_SIZE = 60;
/** How soon a payment that becomes due is seen while others are in hand: about the grain of the alarm itself. */
const LOOK_AGAIN_MS = 250;

/** How far a payment was taken: it waits for a slot, it is due later, or it is due as before. */
export type Progress = "in_line" | "due_later" | "still_due";

/**
 * Calls `advance` for payments that are due, at most `CONCURRENCY` at a time, until none is left or the time is over.
 * One that waits for a slot is begun again when it has one; whatever is left is still due in its row.
 * @param advance takes a payment as far as it goes now; one that is due later may come up again
 * @throws what `advance` throws, at once
 */
export async function runDrainPool(
  advance: (paymentId: string) => Promise<Progress>,
  slots: SettleSlots,
  source: DueSource,
): Promise<void> {
  const untilMs = source.now() + DRAIN_MS_MAX;
  /** Not to be pulled again: in hand, in line for a slot, or due as before after it was looked at. */
  const known = new Set<string>();
  const running = new Set<Promise<void>>();
  let batch: string[] = [];
  let advanced = 0;
  let nap: Promise<void> | null = null;

  const isOver = () => advanced >= PAYMENTS_MAX || source.now() >= untilMs;
  const pull = (): string | null => {
    const waiting = slots.nextWaiting();
    if (waiting !== null) return waiting;
    if (batch.length === 0 && known.size < PAYMENTS_MAX) {
      const ids = source.due(source.now(), BATCH_SIZE + known.size);
      batch = ids.filter((id) => !known.has(id));
    }
    return batch.shift() ?? null;
  };
  const work = async (paymentId: string): Promise<void> => {
    known.add(paymentId);
    const progress = await advance(paymentId);
    if (progress !== "in_line") advanced += 1;
    if (progress === "due_later") known.delete(paymentId);
  };
  const begin = (paymentId: string) => {
    const run = work(paymentId).finally(() => running.delete(run));
    // The race below reports the first that breaks; nobody is left to hear of others.
    run.catch(() => undefined);
    running.add(run);
  };

  for (;;) {
    while (running.size < CONCURRENCY && !isOver()) {
      const paymentId = pull();
      if (paymentId === null) break;
      begin(paymentId);
    }
    if (running.size === 0) return;
    const looksAgain = running.size < CONCURRENCY && !isOver();
    if (looksAgain) nap ??= source.sleep(LOOK_AGAIN_MS).finally(() => (nap = null));
    await Promise.race(looksAgain && nap !== null ? [...running, nap] : running);
  }
}
