/**
 * Payments with us as the payer. The amount is reserved in the transaction that creates one; from then on it is
 * settled, retried and confirmed by the same machine as any payment.
 */
import type { Payment, RefundSource } from "../../../src/settlement/payment.ts";

/** Time for a payout to land. Generous, because a facilitator outage must not expire it; then it gets a new id. */
export const PAYOUT_VALID_MS = 3_600_000;

/** What makes an outgoing payment unique; worked out by the caller, because the core has no hashing. */
export interface PayoutIdentity {
  readonly payoutId: string;
  readonly identity: string;
  readonly nonce: string;
}

export interface OutgoingTransfer {
  readonly network: string;
  readonly asset: string;
  /** The deposit account. */
  readonly from: string;
  readonly to: string;
  readonly amountAtomic: bigint;
  /** Null for a payout to the tenant. */
  readonly refundOf: RefundSource | null;
}

/** A payout or refund before its first attempt: a payment with us as the payer, without an answer to hand out. */
export function outgoingPayment(
  { network, asset, from, to, amountAtomic, refundOf }: OutgoingTransfer,
  { payoutId, identity, nonce }: PayoutIdentity,
  nowMs: number,
): Payment {
  return {
    paymentId: payoutId,
    direction: "outgoing",
    state: "staged",
    identity,
    payloadDigest: payoutId,
    requestFingerprint: payoutId,
    proofs: { quoteHash: null, identifierHash: null, idempotencyKeyHash: null },
    authorization: {
      network,
      asset,
      payer: from,
      payee: to,
      amountAtomic,
      nonce,
      validAfterMs: 0,
      // EIP-3009 counts in seconds: whole seconds here, so that what is signed is what is kept.
      validBeforeMs: Math.ceil((nowMs + PAYOUT_VALID_MS) / 1_000) * 1_000,
    },
    feeAtomic: 0n,
    boundFacilitatorId: null,
    attempts: [],
    transaction: null,
    evidence: null,
    failure: null,
    response: "none",
    fulfilment: null,
    refundOf,
    ruling: null,
    resignGuard: false,
    replayGraceMs: 0,
    claimedAtMs: nowMs,
    settledAtMs: null,
    confirmedAtMs: null,
    answeredAtMs: null,
    chainCheckedAtMs: null,
    retryCount: 0,
    dueAtMs: nowMs,
  };
}
