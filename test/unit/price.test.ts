import { expect, test } from "vitest";
import { atomicToPrice, priceToAtomic } from "../../src/tenant/price.ts";

test.each([
  ["$0.001", 6, 1_000n],
  ["$1", 6, 1_000_000n],
  ["$0.000001", 6, 1n],
  ["$999999.999999", 6, 999_999_999_999n],
  ["$0.05", 18, 50_000_000_000_000_000n],
  ["$3", 0, 3n],
])("%s of an asset with %i decimals is %s atomic units", (price, decimals, amountAtomic) => {
  expect(priceToAtomic(price, decimals)).toBe(amountAtomic);
  expect(atomicToPrice(amountAtomic, decimals)).toBe(price);
});

test.each([
  ["$0", 6],
  ["$0.000000", 6],
  ["$0.009", 2],
  ["$0.9", 0],
])("%s of an asset with %i decimals is less than one atomic unit", (price, decimals) => {
  expect(priceToAtomic(price, decimals)).toBe(0n);
});

test("cuts off what the asset can't express, in the payer's favour", () => {
  expect(priceToAtomic("$1.019", 2)).toBe(101n);
});
