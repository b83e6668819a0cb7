import { expect, vi } from "vitest";
import * as z from "zod";
import type { TestWorld } from "./platform.ts";

/** More than the calls of one outage that fail at one facilitator. */
const GOOD_CALLS = 4;
const WITHIN = { timeout: 45_000, interval: 50 };

/**
 * Platforms remember failures: a facilitator is passed over for a while, and its breaker opens when half of its calls
 * fail, for longer each time. Has the operator forget all of that, and pays until the first facilitator is chosen
 * again, and then often enough that the next outage does not open the breaker.
 *
 * @param pay one paid call
 */
export async function untilTrusted(world: TestWorld, pay: () => Promise<unknown>): Promise<void> {
  const { control } = world.facilitators[0];
  for (const state of ["close", "auto"]) {
    const target = `POST /facilitators/facilitator-1/${state}`;
    await world.admin(z.looseObject({}), target, { reason: "an end-to-end test" });
  }
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
