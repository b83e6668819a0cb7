import * as fc from "fast-check";
import { expect, test } from "vitest";
import { feeAtomic, PLANS } from "../../src/tenant/plans.ts";
import { atomicToPrice, priceToAtomic } from "../../src/tenant/price.ts";

const RUNS = { numRuns: 10_000 };
const plan = fc.constantFrom(...Object.values(PLANS));
const amount = fc.oneof(
  fc.bigInt({ min: 0n, max: 5_000n }),
  fc.bigInt({ min: 0n, max: 10n ** 30n - 1n }),
);

test("a fee is between nothing and half of the price", () => {
  fc.assert(
    fc.property(plan, amount, ({ id }, price) => {
      const fee = feeAtomic(id, price);
      expect(fee >= 0n && fee * 2n <= price).toBe(true);
    }),
    RUNS,
  );
});

test("a higher price never leads to a lower fee, nor to less for the tenant", () => {
  fc.assert(
    fc.property(plan, amount, amount, ({ id }, one, other) => {
      const [low, high] = one < other ? [one, other] : [other, one];
      const [lowFee, highFee] = [feeAtomic(id, low), feeAtomic(id, high)];
      expect(lowFee <= highFee).toBe(true);
      expect(low - lowFee <= high - highFee).toBe(true);
    }),
    RUNS,
  );
});

test("beyond the floor a fee is never more than the plan's share", () => {
  fc.assert(
    fc.property(plan, amount, ({ id, fees: [terms] }, price) => {
      const fee = feeAtomic(id, price);
      const withinShare = fee * 10_000n <= price * BigInt(terms.basisPoints);
      expect(withinShare || fee <= terms.floorAtomic).toBe(true);
    }),
    RUNS,
  );
});

test("a price printed and read again is the same amount", () => {
  fc.assert(
    fc.property(amount, fc.integer({ min: 0, max: 18 }), (atomic, decimals) => {
      expect(priceToAtomic(atomicToPrice(atomic, decimals), decimals)).toBe(atomic);
    }),
    RUNS,
  );
});
