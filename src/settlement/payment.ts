/**
 * A payment whose response is stored: the record the settlement engine keeps from `staged` on. A payment before that
 * is a claim (`claim.ts`) and lives in memory only, because losing it charges nothing. Incoming payments and payouts
 * are the same machine: a payout is an x402 payment with us as the payer, without a response to hand out.
 */
import type { Authorization } from "./authorization.ts";
import type { TransferEvidence } from "./evidence.ts";
import type { SettleOutcome } from "./outcome.ts";

export const PAYMENT_STATES = [
  /** Response and intent are durable; nothing is in flight and no attempt may have moved money. */
  "staged",
  /** An attempt is in flight. */
  "settling",
  /** Nothing is in flight, and an attempt so far may have moved the money. */
  "unknown",
  /** A facilitator or the chain says the money moved; the journal has it. */
  "settled",
  /** The transfer was seen on the chain at the configured depth: this credit can be paid out. */
  "confirmed",
  /** It can't land: refused everywhere before broadcast, or cancelled; or an operator ended it. */
  "failed",
  /** It can't land: unused at a finalized block past validBefore. */
  "expired",
] as const;

export type PaymentState = (typeof PAYMENT_STATES)[number];

/** Secrets of the first request that prove a resend comes from the payer; SHA-256 hex, never the values. */
export interface ReplayProofs {
  readonly quoteHash: string | null;
  readonly identifierHash: string | null;
  readonly idempotencyKeyHash: string | null;
}

export interface Attempt {
  /** 1, 2, ... within its payment. */
  readonly attempt: number;
  readonly facilitatorId: string;
  readonly startedAtMs: number;
  /** From then on an attempt without an outcome counts as ambiguous. */
  readonly leaseExpiresAtMs: number;
  readonly outcome: SettleOutcome | null;
}

/** What is owed for an upfront payment, whose handler runs after the money moved (`fulfilment.ts`). */
export interface Fulfilment {
  readonly state: "pending" | "fulfilled" | "undelivered";
  /** Runs of the handler that were started. */
  readonly attempts: number;
  /** Until when the payer can come for the answer. */
  readonly beforeMs: number;
}

/** What a refund gives back to its payer (`refund.ts`). */
export interface RefundSource {
  /** `payment`: paid upfront and never delivered; `deposit`: sent without being any payment. */
  readonly kind: "payment" | "deposit";
  readonly id: string;
}

/** How an operator ended a payment that nothing proved either way (`operator.ts`). */
export interface OperatorRuling {
  /** `settled` lets the payer have the answer. Neither posts anything. */
  readonly resolution: "settled" | "failed";
  readonly atMs: number;
}

export interface Payment {
  readonly paymentId: string;
  readonly direction: "incoming" | "outgoing";
  readonly state: PaymentState;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly proofs: ReplayProofs;
  readonly authorization: Authorization;
  /** What the platform keeps of an incoming payment; 0 for payouts. Atomic units. */
  readonly feeAtomic: bigint;
  /** The only facilitator that can settle it, where the scheme binds one; null when any may. */
  readonly boundFacilitatorId: string | null;
  readonly attempts: readonly Attempt[];
  /** Best known transaction hash, of a settlement or of an attempt that may still land. */
  readonly transaction: string | null;
  readonly evidence: TransferEvidence | null;
  /** Why it failed, as a normalised reason; null unless `failed` or `expired`. */
  readonly failure: string | null;
  /** Whether the stored response can still be handed out; `none` for payouts and upfront payments. */
  readonly response: "kept" | "removed" | "none";
  /** Null when the handler ran before the money moved and its answer could be had, and for payouts. */
  readonly fulfilment: Fulfilment | null;
  /** Null for incoming payments, and for payouts to the tenant. */
  readonly refundOf: RefundSource | null;
  /** Kept when the chain proves it wrong later: it says why the payer had the answer before. */
  readonly ruling: OperatorRuling | null;
  readonly resignGuard: boolean;
  readonly replayGraceMs: number;
  readonly claimedAtMs: number;
  readonly settledAtMs: number | null;
  readonly confirmedAtMs: number | null;
  /** When an answer carrying the response was written out to its payer; null while none was. */
  readonly answeredAtMs: number | null;
  /** When the chain was last asked since the last attempt was opened or closed; null when it was not. */
  readonly chainCheckedAtMs: number | null;
  /** How many times in a row the engine came back to it without resolving it: drives the backoff. */
  readonly retryCount: number;
  /** When the engine must look at it again; null when nothing is left to do. */
  readonly dueAtMs: number | null;
}

/** The attempt that is in flight, if any. There is at most one: the next starts only after the last was closed. */
export function openAttempt(payment: Payment): Attempt | null {
  return payment.attempts.find(({ outcome }) => outcome === null) ?? null;
}

/** Whether some attempt may have moved the money, so that only the chain or a success can tell. */
export function mayHaveLanded(payment: Payment): boolean {
  return payment.attempts.some(
    ({ outcome }) => outcome?.class !== "refused" && outcome?.class !== "unavailable",
  );
}

/** Money has moved for this payment, as far as anyone knows. */
export function isSettled(payment: Payment): boolean {
  return payment.state === "settled" || payment.state === "confirmed";
}

/** The payer may have the answer: the money moved, or an operator let it go without proof of that. */
export function isAnswerable(payment: Payment): boolean {
  return isSettled(payment) || payment.ruling?.resolution === "settled";
}

/** The money did not move and can not, by evidence or, while that is awaited, by an operator's word. */
export function isFailed(payment: Payment): boolean {
  return payment.state === "failed" || payment.state === "expired";
}
