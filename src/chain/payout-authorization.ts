/** The EIP-3009 authorization that a payout is: its nonce and its signature. Pure. */
import { type Hex, keccak256, stringToBytes } from "viem";
import { sign } from "viem/accounts";
import type { Authorization } from "../settlement/authorization.ts";
import { type TokenDomain, authorizationHash } from "./eip3009.ts";

/** The nonce follows from the payout's id, so that a payout lands once at most, whatever crashes. */
export function payoutNonce(payoutId: string): Hex {
  return keccak256(stringToBytes(`402claw/payout/${payoutId}`));
}

/**
 * Signs with the payer's key: 65 bytes, low `s`, `v` of 27 or 28. Deterministic (RFC 6979), so that signing again
 * gives the same bytes and not a second payment.
 */
export function signAuthorization(
  authorization: Authorization,
  domain: TokenDomain,
  privateKey: Hex,
): Promise<Hex> {
  return sign({ hash: authorizationHash(authorization, domain), privateKey, to: "hex" });
}
