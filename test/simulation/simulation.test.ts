import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { simulate } from "./simulate.ts";

/** 850 worlds of 30 purchases are a little over 100,000 payments, with resends and new signatures. */
const SEEDS = { from: 1, to: 850 };
const PURCHASES = 30;
const PAYMENTS_MIN = 100_000;

describe("the ledger under faults, crashes and careless clients", () => {
  test("keeps every invariant over 100,000 payments", { timeout: 600_000 }, async () => {
    const totals = {
      payments: 0,
      superseded: 0,
      crashes: 0,
      failed: 0,
      fulfilled: 0,
      undelivered: 0,
      paidOut: 0,
    };
    for (let seed = SEEDS.from; seed <= SEEDS.to; seed += 1) {
      const result = await simulate(seed, PURCHASES);
      // A world runs in one turn of the event loop; the test runner wants its turn too.
      await nextTurn();
      expect(result.violations, `seed ${seed}`).toEqual([]);
      totals.payments += result.payments;
      totals.superseded += result.superseded;
      totals.crashes += result.crashes;
      totals.failed += result.failed;
      totals.paidOut += result.paidOut;
      totals.fulfilled += result.fulfilled;
      totals.undelivered += result.undelivered;
    }
    expect(totals.payments).toBeGreaterThanOrEqual(PAYMENTS_MIN);
    // The worlds are only worth something if what they are about happens in them.
    expect(totals.superseded).toBeGreaterThan(1_000);
    expect(totals.crashes).toBeGreaterThan(1_000);
    expect(totals.failed).toBeGreaterThan(100);
    expect(totals.paidOut).toBeGreaterThan(1_000);
    expect(totals.fulfilled).toBeGreaterThan(1_000);
    expect(totals.undelivered).toBeGreaterThan(100);
  });

  test("goes the same way twice for one seed", async () => {
    expect(await simulate(42, PURCHASES)).toEqual(await simulate(42, PURCHASES));
  });
});
