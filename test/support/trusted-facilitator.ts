import { expect, vi } from "vitest";
import type { TestFacilitator } from "./platform.ts";

/** More than the calls of one outage that fail at one facilitator. */
const GOOD_CALLS = 4;
const WITHIN = { timeout: 15_000, interval: 50 };

/**
 * Platforms remember failures: a facilitator is passed over for a while, and its breaker opens when half of its calls
 * fail. Pays until this one is chosen again, and then often enough that the next outage does not open the breaker.
 *
 * @param pay one paid call
 */
export async function untilTrusted(
  { control }: TestFacilitator,
  pay: () => Promise<unknown>,
): Promise<void> {
  let goodCalls = 0;
  await vi.waitFor(async () => {
    const before = await control.stats();
    await pay();
    const { calls } = await control.stats();
    const isChosen =
      calls.verify.performed > before.calls.verify.performed &&
      calls.settle.performed > before.calls.settle.performed;
    goodCalls = isChosen ? goodCalls + 1 : 0;
    expect(goodCalls).toBe(GOOD_CALLS);
  }, WITHIN);
}
