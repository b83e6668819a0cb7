/** The EIP-3009 authorization that a payout or refund is: its nonce and its signature. Pure. */
import { type Hex, keccak256, stringToBytes } from "viem";
import { sign } from "viem/accounts";
import type { Authorization } from "../settlement/authorization.ts";
import { type TokenDomain, authorizationHash } from "./eip3009.ts";

/** The nonce follows from the payout's id, so that a payout lands once at most, whatever crashes. */
export function payoutNonce(payoutId: string): Hex {
  return keccak256(stringToBytes(`402claw/payout/${payoutId}`));
}

/**
 * The nonce of a refund follows from the Transfer log that it gives back, and not from the refund's id: so the chain
 * itself lets one transfer be given back once, however often somebody asks for it.
 */
export function refundNonce(network: string, transaction: string, logIndex: number): Hex {
  return keccak256(stringToBytes(`402claw/refund/${network}/${transaction}/${logIndex}`));
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
