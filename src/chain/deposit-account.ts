/** Deposit accounts: one per tenant, derived from the platform's seed. Pure but for WebCrypto. */
import { type Hex, bytesToBigInt, hexToBytes, isHex, numberToHex } from "viem";
import { privateKeyToAddress } from "viem/accounts";

/** Order of secp256k1: private keys are 1 to order - 1. */
const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
/**
 * 384 bits are derived for a key of 256, so that reducing them favours no key by more than 2^-128
 * (FIPS 186-5, A.2.1).
 */
const DERIVED_BITS = 384;

const SEED_BYTES = 32;

export interface DepositAccount {
  /** Lower-case hex. */
  readonly address: string;
  readonly privateKey: Hex;
}

/** The seed's 32 bytes; null when the text is not 0x and 64 hexadecimal digits. */
export function parseDepositSeed(text: string): Uint8Array | null {
  return isHex(text) && text.length === 2 + 2 * SEED_BYTES ? hexToBytes(text) : null;
}

/**
 * Derives the account with HKDF-SHA-256 (RFC 5869). The same arguments give the same account for ever: money lies
 * there. Environments that share a seed by mistake still have different accounts.
 * @param serial the tenant's immutable number, from 1
 */
export async function deriveDepositAccount(
  seed: Uint8Array,
  environment: string,
  serial: number,
): Promise<DepositAccount> {
  if (!Number.isSafeInteger(serial) || serial < 1) throw new Error("serial must be 1 or more");
  const seedKey = await crypto.subtle.importKey("raw", seed, "HKDF", false, ["deriveBits"]);
  const derived = await crypto.subtle.deriveBits(
    {
      name: "HKDF",
      hash: "SHA-256",
      // The seed is uniformly random already, which is what a salt is for.
      salt: new Uint8Array(),
      info: new TextEncoder().encode(`402claw/deposit/${environment}/${serial}`),
    },
    seedKey,
    DERIVED_BITS,
  );
  const scalar = bytesToBigInt(new Uint8Array(derived));
  const privateKey = numberToHex((scalar % (CURVE_ORDER - 1n)) + 1n, { size: 32 });
  return { address: privateKeyToAddress(privateKey).toLowerCase(), privateKey };
}
