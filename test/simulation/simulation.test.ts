import { describe, expect, test } from "vitest";
import { simulate } from "./simulate.ts";

/** 1,900 worlds of 30 purchases are a little over 100,000 payments, with resends and new signatures. */
const SEEDS = { from: 1, to: 1_900 };
const PURCHASES = 30;
const PAYMENTS_MIN = 100_000;

describe("the ledger under faults, crashes and careless clients", () => {
  test("keeps every invariant over 100,000 payments", { timeout: 600_000 }, async () => {
    const totals = { payments: 0, superseded: 0, crashes: 0, failed: 0 };
    for (let seed = SEEDS.from; seed <= SEEDS.to; seed += 1) {
      const result = await simulate(seed, PURCHASES);
      expect(result.violations, `seed ${seed}`).toEqual([]);
      totals.payments += result.payments;
      totals.superseded += result.superseded;
      totals.crashes += result.crashes;
      totals.failed += result.failed;
    }
    expect(totals.payments).toBeGreaterThanOrEqual(PAYMENTS_MIN);
    // The worlds are only worth something if what they are about happens in them.
    expect(totals.superseded).toBeGreaterThan(1_000);
    expect(totals.crashes).toBeGreaterThan(1_000);
    expect(totals.failed).toBeGreaterThan(100);
  });

  test("goes the same way twice for one seed", async () => {
    expect(await simulate(42, PURCHASES)).toEqual(await simulate(42, PURCHASES));
  });
});
