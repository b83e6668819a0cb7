/**
 * What all else needs to know about a way to pay. A scheme is one file in `schemes/`, and `schemes/all.ts` lists them.
 * To add one: say which payments are its own (`name`, `namespace`, `transferMethod`), decode its payload strictly, and
 * give each payload an identity that the network consumes with it.
 *
 * The rest of the platform asks, and never guesses: may any facilitator settle it (`isFacilitatorBound`), may less than
 * the signed amount be charged (`amountIs`), can v1 clients pay by it (`isInV1`), and can the chain be asked what became
 * of it (`evidence`).
 */
import type { PermitTerms } from "../settlement/authorization.ts";
import type { AssetConfig } from "./default-assets.ts";
import type { JsonObject } from "./wire.ts";

/** A payload in its one spelling: hex in lower case on EVM networks, base58 on Solana. */
export interface SignedPayload {
  readonly from: string;
  /** Who gets it; where the payload names an account and not its owner, whom the client says that it pays. */
  readonly to: string;
  /** Atomic units; where `amountIs` is `maximum`, the most that may be charged. */
  readonly value: bigint;
  readonly validAfterMs: number;
  /** Where the payload does not say, as long as it can land after it was received. */
  readonly validBeforeMs: number;
  /** What the network consumes: an EIP-3009 nonce, a Permit2 nonce, the hash of a transaction's message. */
  readonly nonce: string;
  /** Another one over the same nonce is another payload. */
  readonly signature: string;
  /** Of a payload for Permit2, what else was signed. */
  readonly permit2?: PermitTerms;
  /** As facilitators get it. */
  readonly payload: JsonObject;
}

export type DecodedPayload =
  | { readonly ok: true; readonly signed: SignedPayload }
  /** `problem` begins with the field at fault, for example `signature must be hex bytes`. */
  | { readonly ok: false; readonly problem: string };

/** What comes with a payload. */
export interface PayloadContext {
  /** Of what the client says it accepted, in its one spelling; null in v1, which says nothing. */
  readonly payTo: string | null;
  /** When it was received. */
  readonly nowMs: number;
}

/** What a quote carries of the facilitator that it is bound to, as that one lists the kind. */
export type FacilitatorExtra = Readonly<Record<string, string | number | boolean>>;

/** What a payload has to pay, in which token, and to whom. */
export interface PayloadTerms {
  readonly asset: AssetConfig;
  /** The price; where `amountIs` is `maximum`, the maximum that was quoted. */
  readonly amountAtomic: bigint;
  readonly payTo: string;
  /** Empty for schemes that are bound to no facilitator. */
  readonly facilitatorExtra: FacilitatorExtra;
}

export interface Scheme {
  /** As x402 calls it. */
  readonly name: "exact" | "upto";
  /** Family of the CAIP-2 networks it is for. */
  readonly namespace: string;
  /** `extra.assetTransferMethod` of its offers; null for the one that is meant when none is named. */
  readonly transferMethod: string | null;
  /** Whether only the facilitator that was quoted can settle it (docs/facilitators.md). */
  readonly isFacilitatorBound: boolean;
  readonly amountIs: "exact" | "maximum";
  /**
   * How the chain tells what became of it. `nonce_log`: the token logs the nonce. `decoded_call`: Permit2 keeps the nonce
   * as spent, and the call that spent it has to be found and read. `none`: only facilitators and operators can tell.
   */
  readonly evidence: "nonce_log" | "decoded_call" | "none";
  readonly isInV1: boolean;
  decode(payload: Readonly<Record<string, unknown>>, context: PayloadContext): DecodedPayload;
  /** The ledger's key of the payment: the same whatever wraps the payload, and used up when it lands. */
  identity(network: string, asset: string, signed: Pick<SignedPayload, "from" | "nonce">): string;
  /** Why the payload does not pay these terms; null when it does. Validity is judged in `terms.ts`, for all schemes. */
  refuse(signed: SignedPayload, terms: PayloadTerms): PayloadRefusal | null;
  /** What an offer carries for its client to sign, beside the quote and the flow. */
  offerExtra(asset: AssetConfig, facilitatorExtra: FacilitatorExtra): JsonObject;
}

export type PayloadRefusal = "amount_mismatch" | "recipient_mismatch" | "offer_not_matched";
