/**
 * What a handler charges of a maximum: the `Settlement-Overrides` header of its answer, as handlers for the reference
 * server write it (`SETTLEMENT_OVERRIDES_HEADER` of `@x402/core`).
 */
import * as z from "zod";

export const SETTLEMENT_OVERRIDES_HEADER = "Settlement-Overrides";

/** Parts of a percent of a percent: two decimals. */
const PERCENT_DECIMALS = 2;

const overridesSchema = z.object({ amount: z.string().max(80) });

/**
 * @param header null where the handler says nothing, and so charges all of it
 * @param maximumAtomic what the payer signed; more than that is never charged
 * @param decimals of the token, for amounts in dollars
 * @returns atomic units, rounded down; null where the header can't be read
 */
export function chargedOf(
  header: string | null,
  maximumAtomic: bigint,
  decimals: number,
): bigint | null {
  if (header === null) return maximumAtomic;
  const amount = amountIn(header);
  const charged = amount === null ? null : atomicOf(amount, maximumAtomic, decimals);
  return charged !== null && charged > maximumAtomic ? maximumAtomic : charged;
}

function amountIn(header: string): string | null {
  try {
    const parsed = overridesSchema.safeParse(JSON.parse(header));
    return parsed.success ? parsed.data.amount : null;
  } catch {
    return null;
  }
}

/** `500` in atomic units, `12.5%` of the maximum, or `$0.05`. */
function atomicOf(amount: string, maximumAtomic: bigint, decimals: number): bigint | null {
  if (/^[0-9]+$/.test(amount)) return BigInt(amount);
  const percent = /^([0-9]+(?:\.[0-9]{0,2})?)%$/.exec(amount)?.[1];
  if (percent !== undefined) {
    return (
      (maximumAtomic * scaled(percent, PERCENT_DECIMALS)) / 10n ** BigInt(2 + PERCENT_DECIMALS)
    );
  }
  const dollars = /^\$([0-9]+(?:\.[0-9]+)?)$/.exec(amount)?.[1];
  return dollars === undefined ? null : scaled(dollars, decimals);
}

/** A decimal number as that many smallest units, what is beyond them cut off. */
function scaled(text: string, decimals: number): bigint {
  const [whole = "0", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.slice(0, decimals).padEnd(decimals, "0"));
}
