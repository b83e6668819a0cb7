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
  /** What is to be moved. */
  readonly amountAtomic: bigint;
  /** What was signed at most; left out where that is the amount. */
  readonly maximumAtomic?: bigint;
  /** Left out where the token itself, or the network, takes what the payer signed. */
  readonly transferMethod?: "permit2";
  /**
   * What the chain spends with it, once: 32 bytes as hex by (asset, payer) of EIP-3009, a decimal number by payer of
   * Permit2.
   */
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
  /** Of a signature for Permit2. */
  readonly permit2?: PermitTerms;
}

/** What a payer signs for Permit2 that the authorization does not say. */
export interface PermitTerms {
  /** Token contract address. */
  readonly token: string;
  /** The most that may be moved. */
  readonly permittedAtomic: bigint;
  /** The contract that may ask Permit2 to move it. */
  readonly spender: string;
  /** Who alone may call that contract; null where anybody may. */
  readonly facilitator: string | null;
}
