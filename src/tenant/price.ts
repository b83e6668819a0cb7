/** Prices as tenants write them (`$0.001`) and as chains count them (atomic units of the network's asset). */

/**
 * Atomic units of a price, cut off below the asset's last decimal; 0 means the price is too small for the asset.
 *
 * @param price dollars as `priceSchema` accepts them, for example `$0.001`
 * @param decimals of the asset, one unit of which is worth one dollar
 */
export function priceToAtomic(price: string, decimals: number): bigint {
  const [whole = "", fraction = ""] = price.slice("$".length).split(".");
  return BigInt(whole + fraction.padEnd(decimals, "0").slice(0, decimals));
}

/** The price an amount of atomic units is, for example `$0.001`: the inverse of `priceToAtomic`. */
export function atomicToPrice(amountAtomic: bigint, decimals: number): string {
  const digits = amountAtomic.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  return fraction === "" ? `$${whole}` : `$${whole}.${fraction}`;
}
