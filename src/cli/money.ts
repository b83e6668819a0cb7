/** Amounts as people read and write them in the terminal. */
import { priceSchema } from "../contracts/manifest.ts";
import { atomicToPrice, priceToAtomic } from "../tenant/price.ts";
import { CliError } from "./exit-codes.ts";

/** Every asset the platform sells in is a dollar stablecoin with six decimals. */
const DECIMALS = 6;

/** Dollars of an amount in atomic units, for example `$0.001`. */
export function formatAmount(amountAtomic: bigint | string): string {
  return atomicToPrice(BigInt(amountAtomic), DECIMALS);
}

/** Atomic units of dollars such as `$0.05` or `0.05`. @throws CliError naming the flag when it is neither. */
export function parseAmount(flag: string, text: string): bigint {
  const parsed = priceSchema.safeParse(text.startsWith("$") ? text : `$${text}`);
  if (!parsed.success) {
    throw new CliError(
      "usage",
      `${flag}: ${JSON.stringify(text)} is not an amount in dollars`,
      "write for example 0.05",
    );
  }
  return priceToAtomic(parsed.data, DECIMALS);
}
