import { setTimeout as delay } from "node:timers/promises";

const DAY_MS = 24 * 3_600_000;
/** More than a file of tests takes, and less than a hook may wait. */
const NEEDED_MS = 75_000;

/** What is counted by the day starts again at midnight (UTC): waits for that when it is about to be. */
export async function untilDayHasTime(): Promise<void> {
  const leftMs = DAY_MS - (Date.now() % DAY_MS);
  if (leftMs < NEEDED_MS) await delay(leftMs);
}
