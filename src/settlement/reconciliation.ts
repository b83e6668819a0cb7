/**
 * Books against chain: what the deposit account may hold, given what the journal says and which payments are still
 * open, and what to do about a difference. Pure.
 */
import type { Payment, PaymentState } from "./payment.ts";

/** A payment of which the journal and the chain may not agree yet. */
export interface OpenAmount {
  readonly direction: Payment["direction"];
  readonly state: PaymentState;
  readonly amountAtomic: bigint;
}

/** Atomic units, both ends included. */
export interface DepositBand {
  readonly lowAtomic: bigint;
  readonly highAtomic: bigint;
}

/**
 * What the deposit account may hold on the chain. A payment in the books that is not confirmed may be missing there;
 * one that is not in the books, and may still land, may be there already.
 */
export function depositBand(depositAtomic: bigint, open: readonly OpenAmount[]): DepositBand {
  let lowAtomic = depositAtomic;
  let highAtomic = depositAtomic;
  for (const { direction, state, amountAtomic } of open) {
    const isBooked = state === "settled";
    if ((direction === "incoming") === isBooked) lowAtomic -= amountAtomic;
    else highAtomic += amountAtomic;
  }
  return { lowAtomic, highAtomic };
}

/** A band that holds whichever of two moments the chain was read at. */
export function widen(one: DepositBand, other: DepositBand): DepositBand {
  return {
    lowAtomic: one.lowAtomic < other.lowAtomic ? one.lowAtomic : other.lowAtomic,
    highAtomic: one.highAtomic > other.highAtomic ? one.highAtomic : other.highAtomic,
  };
}

/** The band of books that an amount was added to. */
export function raise({ lowAtomic, highAtomic }: DepositBand, amountAtomic: bigint): DepositBand {
  return { lowAtomic: lowAtomic + amountAtomic, highAtomic: highAtomic + amountAtomic };
}

/** How far a balance lies outside the band: 0 within it, positive is a surplus, negative a shortfall. */
export function differenceFrom(
  { lowAtomic, highAtomic }: DepositBand,
  chainAtomic: bigint,
): bigint {
  if (chainAtomic > highAtomic) return chainAtomic - highAtomic;
  return chainAtomic < lowAtomic ? chainAtomic - lowAtomic : 0n;
}

export interface Verdict {
  readonly isAlert: boolean;
  /** The difference that operators know of; null when there is none. */
  readonly alertedAtomic: bigint | null;
  /**
   * `soon` to see whether a difference lasts, `later` while open payments blur the picture, `searching` while what
   * explains it is still looked for, `idle` when all is said.
   */
  readonly next: "soon" | "later" | "searching" | "idle";
}

/**
 * What a comparison means after the one before. A difference is told when it lasts for two looks in a row, and once:
 * again only when it has become another one, which can be said for sure only when no payment is open.
 */
export function judgeDifference(
  before: { readonly differenceAtomic: bigint | null; readonly alertedAtomic: bigint | null },
  band: DepositBand,
  differenceAtomic: bigint,
): Verdict {
  const isExact = band.lowAtomic === band.highAtomic;
  const next = isExact ? "idle" : "later";
  if (differenceAtomic === 0n) {
    return { isAlert: false, alertedAtomic: isExact ? null : before.alertedAtomic, next };
  }
  const known = before.alertedAtomic;
  if (known !== null && (!isExact || known === differenceAtomic)) {
    return { isAlert: false, alertedAtomic: known, next };
  }
  const lasts = isExact
    ? before.differenceAtomic === differenceAtomic
    : isSameSign(before.differenceAtomic ?? 0n, differenceAtomic);
  return lasts
    ? { isAlert: true, alertedAtomic: differenceAtomic, next }
    : { isAlert: false, alertedAtomic: known, next: "soon" };
}

function isSameSign(one: bigint, other: bigint): boolean {
  return one !== 0n && one > 0n === other > 0n;
}
