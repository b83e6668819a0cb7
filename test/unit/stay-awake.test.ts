/** How long the ledger's object stays in memory for calls that are nowhere else. */
import { beforeEach, expect, test, vi } from "vitest";
import { StayAwake } from "../../durable-objects/settlement-ledger/stay-awake.ts";
import { useVirtualScheduler } from "../support/virtual-scheduler.ts";

let waits: Promise<unknown>[];

useVirtualScheduler();
beforeEach(() => {
  waits = [];
});

test("the object stays while there are calls, lets go after the last one, and stays for the next", async () => {
  let calls = 0;
  const context = { waitUntil: (wait: Promise<unknown>) => void waits.push(wait) };
  const awake = new StayAwake(context, () => calls > 0);
  awake.begin();
  expect(vi.getTimerCount()).toBe(0);

  calls = 2;
  for (let call = 0; call < calls; call += 1) awake.begin();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(vi.getTimerCount()).toBe(1);

  calls = 0;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(vi.getTimerCount()).toBe(0);
  await Promise.all(waits);

  // An upfront payment whose settlement took longer than that: its handler's run begins now.
  calls = 1;
  awake.begin();
  expect(vi.getTimerCount()).toBe(1);
});
