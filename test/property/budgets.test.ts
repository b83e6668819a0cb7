import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Usage } from "../../src/contracts/usage.ts";
import {
  NO_USAGE,
  addUsage,
  admissionLimits,
  budgetUses,
  periodAt,
  spentBudget,
  warningsDue,
} from "../../src/tenant/budgets.ts";
import { CEILINGS } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";

const RUNS = { numRuns: 2_000 };
const limits = fc.constantFrom(...Object.values(PLANS)).map((plan) => admissionLimits(plan.limits));
const count = fc.oneof(fc.nat(), fc.nat({ max: 2 ** 45 }));
const usage: fc.Arbitrary<Usage> = fc.record({
  calls: count,
  chargedCalls: count,
  refusedCalls: count,
  limitErrors: count,
  egressBytes: count,
  subrequests: count,
  cpuMs: count,
  durationMs: count,
});
const byPeriod = fc.record({ day: usage, month: usage });
const time = fc.integer({ min: 0, max: Date.UTC(2100, 0) });

test("a budget is spent exactly when one of them is at 100 % or more, and its warning is due", () => {
  fc.assert(
    fc.property(byPeriod, limits, (used, budgets) => {
      const spent = budgetUses(used, budgets).filter(({ percent }) => percent >= 100);
      const found = spentBudget(used, budgets);
      expect(found === null).toBe(spent.length === 0);
      const due = warningsDue(used, budgets).filter(({ percent }) => percent === 100);
      expect(due.map(({ limit }) => limit)).toEqual(spent.map(({ limit }) => limit));
      // What is waited for is the longest wait: a month once a budget of the month is spent.
      const isMonthSpent = due.some(({ period }) => period === "month");
      expect(found?.period ?? null).toBe(
        spent.length === 0 ? null : isMonthSpent ? "month" : "day",
      );
    }),
    RUNS,
  );
});

test("use never falls by more use, and no warning is taken back by it", () => {
  fc.assert(
    fc.property(byPeriod, usage, limits, (used, more, budgets) => {
      const later = { day: addUsage(used.day, more), month: addUsage(used.month, more) };
      const names = (of: typeof used) =>
        warningsDue(of, budgets).map(({ limit, percent }) => `${limit} ${percent}`);
      expect(names(later)).toEqual(expect.arrayContaining(names(used)));
    }),
    RUNS,
  );
});

test("adding is the same in any order, and taking back ends at nothing", () => {
  fc.assert(
    fc.property(usage, usage, (one, other) => {
      expect(addUsage(one, other)).toEqual(addUsage(other, one));
      expect(addUsage(NO_USAGE, { chargedCalls: -1 }).chargedCalls).toBe(0);
    }),
    RUNS,
  );
});

test("every moment is in one day and one month, which begin where the ones before end", () => {
  fc.assert(
    fc.property(time, (nowMs) => {
      for (const period of ["day", "month"] as const) {
        const { key, fromMs, untilMs } = periodAt(period, nowMs);
        expect(fromMs <= nowMs && nowMs < untilMs).toBe(true);
        expect(periodAt(period, fromMs).key).toBe(key);
        expect(periodAt(period, untilMs).fromMs).toBe(untilMs);
        expect(periodAt(period, untilMs).key > key).toBe(true);
        expect(new Date(fromMs).toISOString().startsWith(key)).toBe(true);
      }
    }),
    RUNS,
  );
});

test("a larger budget never stops what a smaller one lets through", () => {
  fc.assert(
    fc.property(byPeriod, limits, (used, budgets) => {
      const raised = admissionLimits({ ...CEILINGS, onBudgetSpent: budgets.onBudgetSpent });
      if (spentBudget(used, budgets) === null) expect(spentBudget(used, raised)).toBeNull();
    }),
    RUNS,
  );
});
