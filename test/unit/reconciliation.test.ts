import { describe, expect, test } from "vitest";
import {
  type OpenAmount,
  depositBand,
  differenceFrom,
  judgeDifference,
  widen,
} from "../../src/settlement/reconciliation.ts";

const EXACT = { lowAtomic: 100n, highAtomic: 100n };
const BLURRED = { lowAtomic: 90n, highAtomic: 110n };
const NOTHING_KNOWN = { differenceAtomic: null, alertedAtomic: null };

function open(
  direction: OpenAmount["direction"],
  state: OpenAmount["state"],
  amountAtomic = 10n,
): OpenAmount {
  return { direction, state, amountAtomic };
}

describe("what the deposit account may hold", () => {
  test("is what the books say when no payment is open", () => {
    expect(depositBand(100n, [])).toEqual(EXACT);
  });

  test.each([
    ["an unknown payment may be there already", open("incoming", "unknown"), [100n, 110n]],
    ["so may one that counts as failed", open("incoming", "failed"), [100n, 110n]],
    ["a settled one may not be there yet", open("incoming", "settled"), [90n, 100n]],
    ["a payout on its way may have left already", open("outgoing", "unknown"), [90n, 100n]],
    ["a settled payout may be there still", open("outgoing", "settled"), [100n, 110n]],
  ])("%s", (_what, payment, [lowAtomic, highAtomic]) => {
    expect(depositBand(100n, [payment])).toEqual({ lowAtomic, highAtomic });
  });

  test("is anything between two moments when the chain was read between them", () => {
    expect(widen(depositBand(100n, [open("incoming", "unknown")]), EXACT)).toEqual({
      lowAtomic: 100n,
      highAtomic: 110n,
    });
  });

  test("differs by what lies outside of it", () => {
    expect([89n, 90n, 110n, 112n].map((chain) => differenceFrom(BLURRED, chain))).toEqual([
      -1n,
      0n,
      0n,
      2n,
    ]);
  });
});

describe("a difference", () => {
  test("is looked at again before anybody is told", () => {
    expect(judgeDifference(NOTHING_KNOWN, EXACT, 5n)).toEqual({
      isAlert: false,
      alertedAtomic: null,
      next: "soon",
    });
  });

  test("that lasts is told once", () => {
    const second = judgeDifference({ differenceAtomic: 5n, alertedAtomic: null }, EXACT, 5n);
    expect(second).toEqual({ isAlert: true, alertedAtomic: 5n, next: "idle" });
    const third = judgeDifference({ differenceAtomic: 5n, alertedAtomic: 5n }, EXACT, 5n);
    expect(third).toEqual({ isAlert: false, alertedAtomic: 5n, next: "idle" });
  });

  test("that has become another one is told again, after a second look", () => {
    const first = judgeDifference({ differenceAtomic: 5n, alertedAtomic: 5n }, EXACT, -3n);
    expect(first).toEqual({ isAlert: false, alertedAtomic: 5n, next: "soon" });
    const second = judgeDifference({ differenceAtomic: -3n, alertedAtomic: 5n }, EXACT, -3n);
    expect(second).toEqual({ isAlert: true, alertedAtomic: -3n, next: "idle" });
  });

  test("is told under traffic too, once, though its size can't be said for sure", () => {
    const second = judgeDifference({ differenceAtomic: 4n, alertedAtomic: null }, BLURRED, 7n);
    expect(second).toEqual({ isAlert: true, alertedAtomic: 7n, next: "later" });
    const third = judgeDifference({ differenceAtomic: 7n, alertedAtomic: 7n }, BLURRED, 2n);
    expect(third).toEqual({ isAlert: false, alertedAtomic: 7n, next: "later" });
  });

  test("is forgotten when the books agree with the chain to the unit, not before", () => {
    const known = { differenceAtomic: 5n, alertedAtomic: 5n };
    expect(judgeDifference(known, BLURRED, 0n).alertedAtomic).toBe(5n);
    expect(judgeDifference(known, EXACT, 0n).alertedAtomic).toBeNull();
  });
});
