import { expect, test } from "vitest";
import { feeAtomic, PLANS } from "../../src/tenant/plans.ts";

test.each([
  // plan, price, fee: all atomic units of a six-decimal dollar.
  ["free", 0n, 0n],
  ["free", 1n, 0n],
  ["free", 2n, 1n],
  ["free", 1_000n, 500n],
  ["free", 1_999n, 999n],
  ["free", 2_000n, 1_000n],
  ["free", 20_000n, 1_000n],
  ["free", 20_020n, 1_001n],
  ["free", 1_000_000n, 50_000n],
  ["pro", 40_039n, 1_000n],
  ["pro", 1_000_000n, 25_000n],
  ["scale", 100_000n, 1_000n],
  ["scale", 1_000_000n, 10_000n],
] as const)("the %s plan keeps of %s atomic units %s", (plan, amount, fee) => {
  expect(feeAtomic(plan, amount)).toBe(fee);
});

test("refuses a negative price as a broken invariant", () => {
  expect(() => feeAtomic("free", -1n)).toThrow(RangeError);
});

test("a larger plan never keeps more than a smaller one", () => {
  for (const amount of [1n, 1_999n, 20_000n, 1_000_000n]) {
    expect(feeAtomic("pro", amount)).toBeLessThanOrEqual(feeAtomic("free", amount));
    expect(feeAtomic("scale", amount)).toBeLessThanOrEqual(feeAtomic("pro", amount));
  }
});

test.each(Object.values(PLANS))("the fees of the $id plan are dated, newest first", ({ fees }) => {
  const dates = fees.map((terms) => terms.effectiveFrom);
  expect(dates).toEqual(dates.toSorted().toReversed());
  for (const date of dates) expect(new Date(date).toISOString().slice(0, 10)).toBe(date);
});
