/**
 * Payment identity: the key of an authorization, the same whatever wraps it (x402 v1 or v2, any spelling that was
 * let through). The chain lets one authorization per key land, and the ledger keeps one payment per key.
 */

/** @param nonce 32 bytes; all hex in lower case already */
export function eip3009Identity(
  network: string,
  asset: string,
  payer: string,
  nonce: string,
): string {
  return `eip3009:${network}:${asset}:${payer}:${nonce}`;
}
