/**
 * The signed promise a settlement consumes, in the form the core needs: who, to whom, how much, until when. All
 * hex is lower-case; amounts are atomic units of the asset.
 */
export interface Authorization {
  /** CAIP-2 network, for example `eip155:84532`. */
  readonly network: string;
  /** Token contract address. */
  readonly asset: string;
  readonly payer: string;
  readonly payee: string;
  readonly amountAtomic: bigint;
  /** 32-byte nonce as hex: the chain lets one authorization per (asset, payer, nonce) land. */
  readonly nonce: string;
  /** From when it may land, milliseconds since the epoch (exclusive, as the token checks it). */
  readonly validAfterMs: number;
  /** Until when it may land, milliseconds since the epoch (exclusive). */
  readonly validBeforeMs: number;
}

/** An authorization with what its signature is checked against. */
export interface SignedAuthorization {
  readonly authorization: Authorization;
  /** Name and version of the token's EIP-712 domain. */
  readonly domain: { readonly name: string; readonly version: string };
  /** Hexadecimal. */
  readonly signature: string;
}
