import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { PlanId } from "../../src/contracts/snapshot.ts";
import {
  CEILINGS,
  effectiveLimits,
  LIMIT_NAMES,
  type LimitOverride,
} from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";

const NOW_MS = 1_800_000_000_000;

const plan = fc.constantFrom<PlanId>("free", "pro", "scale");
const override: fc.Arbitrary<LimitOverride> = fc.record({
  limits: fc.dictionary(fc.constantFrom(...LIMIT_NAMES), fc.maxSafeNat(), {
    noNullPrototype: true,
  }),
  expiresAtMs: fc.option(fc.integer({ min: NOW_MS - 2, max: NOW_MS + 2 })),
});
const overrides = fc.array(override, { maxLength: 6 });

test("whatever was approved, no limit is above its ceiling or below the plan", () => {
  fc.assert(
    fc.property(plan, overrides, (planId, limitOverrides) => {
      const limits = effectiveLimits({ plan: planId, limitOverrides }, NOW_MS);
      for (const name of LIMIT_NAMES) {
        expect(limits[name]).toBeLessThanOrEqual(CEILINGS[name]);
        expect(limits[name]).toBeGreaterThanOrEqual(PLANS[planId].limits[name]);
      }
      expect(limits.onBudgetSpent).toBe(PLANS[planId].limits.onBudgetSpent);
    }),
  );
});

test("time only lowers: what has expired counts for nothing, in whatever order it was approved", () => {
  fc.assert(
    fc.property(plan, overrides, (planId, limitOverrides) => {
      const now = effectiveLimits({ plan: planId, limitOverrides }, NOW_MS);
      const later = effectiveLimits({ plan: planId, limitOverrides }, NOW_MS + 1);
      for (const name of LIMIT_NAMES) expect(later[name]).toBeLessThanOrEqual(now[name]);
      const alive = limitOverrides
        .filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > NOW_MS)
        .toReversed();
      expect(effectiveLimits({ plan: planId, limitOverrides: alive }, NOW_MS)).toEqual(now);
    }),
  );
});
