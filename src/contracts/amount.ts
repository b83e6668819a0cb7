import * as z from "zod";

/** Decimal text of at most 30 digits without sign or leading zeros: how amounts cross JSON and SQLite. */
const AMOUNT_PATTERN = /^(?:0|[1-9][0-9]{0,29})$/;

/** An amount in atomic units: decimal text outside, `bigint` inside. */
export const amountAtomicSchema = z
  .string()
  .regex(AMOUNT_PATTERN, "must be a whole number of atomic units, in decimal digits")
  .transform((text) => BigInt(text));
