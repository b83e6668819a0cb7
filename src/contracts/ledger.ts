/**
 * Messages between the SettlementLedger and its callers (`durable-objects/settlement-ledger/client.ts`). Every call
 * names its tenant: the object checks it against its own identity, so that no routing mistake crosses tenants.
 * Amounts are `bigint` atomic units (they cross RPC); times are milliseconds since the epoch.
 */
import type { WirePayment } from "../payment/wire.ts";
import type { Authorization } from "../settlement/authorization.ts";
import type { NotAdmitted } from "../settlement/claim.ts";
import type { SettleOutcome } from "../settlement/outcome.ts";
import type { ReplayProofs } from "../settlement/payment.ts";
import type { AdmissionLimits, UsageByPeriod } from "../tenant/budgets.ts";
import type { TenantId } from "../tenant/tenant-id.ts";
import type { Collection, PlanId } from "./snapshot.ts";
import type { Suspension, Usage } from "./usage.ts";

export interface ClaimRequest {
  readonly tenantId: TenantId;
  /** Canonical key of the authorization, the same for v1 and v2 wrappings of one signature. */
  readonly identity: string;
  /** SHA-256 hex over authorization and signature: another signature over the same nonce is another payload. */
  readonly payloadDigest: string;
  /** SHA-256 hex over method, canonical path and query, and body hash. */
  readonly requestFingerprint: string;
  readonly proofs: ReplayProofs;
  readonly payer: string;
  /** Why a payment never seen before would be refused (price, expiry, ...); null when it would be taken. */
  readonly refusal: string | null;
  /** Until when its authorization could land, milliseconds since the epoch. */
  readonly validBeforeMs: number;
  /** Whether the signature is known to be the payer's own; a contract wallet's never is. */
  readonly signatureProved: boolean;
  readonly resignGuard: boolean;
  readonly replayGraceMs: number;
  /** Whether the route lets its handler run while the payment is verified; needs a proved signature. */
  readonly alongside?: boolean;
  /** Of whoever has signed in with this request; null or left out when nobody has. */
  readonly signIn?: SignIn | null;
  /** Payments of this ledger whose answers this edge has written out since its last call. */
  readonly answered: readonly string[];
  /** In force for the tenant now. */
  readonly limits: AdmissionLimits;
}

/** Who somebody is, proved by a signature over a challenge of ours. It fetches one answer. */
export interface SignIn {
  /** Lower-case hex. */
  readonly address: string;
  /** Of the challenge. */
  readonly nonce: string;
  readonly expiresAtMs: number;
}

/** Asks for an answer that was paid for, without the payment. */
export interface PaidAnswerRequest {
  readonly tenantId: TenantId;
  readonly requestFingerprint: string;
  readonly signIn: SignIn;
}

export type PaidAnswerReply =
  | Extract<ClaimReply, { result: "replay" | "in_progress" | "unknown" }>
  | { readonly result: "nothing_paid" }
  /** It has fetched its answer already. */
  | { readonly result: "sign_in_used" };

/** What one run of a handler used, as far as the edge can tell (docs/containment.md). */
export interface HandlerUsage {
  /** Wall clock, milliseconds. */
  readonly durationMs: number;
  /** An upper bound, milliseconds. */
  readonly cpuMs: number;
  /** Bodies that went to and came from a tenant's own API; what scripts move, egress reports by itself. */
  readonly egressBytes: number;
  /** Whether it passed a limit of one run. */
  readonly limitError: boolean;
}

/** The right to work on a payment until the lease ends; the fence is checked by `stage` and `release`. */
export interface ClaimGrant {
  readonly paymentId: string;
  readonly fence: number;
  readonly leaseExpiresAtMs: number;
}

export interface StoredHeader {
  readonly name: string;
  readonly value: string;
}

/** A handler's answer, whole. */
export interface BufferedResponse {
  readonly status: number;
  /** In the order they were sent, payment headers excluded (they are added on the way out). */
  readonly headers: readonly StoredHeader[];
  /** The URL that its signed receipt is for; left out when none is signed. */
  readonly receiptUrl?: string | undefined;
  readonly body: Uint8Array;
}

/** Where a body lies that is too large for the ledger's rows. */
export interface BodyObject {
  /** In the bucket of responses; begins with the tenant and the payment it belongs to. */
  readonly key: string;
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A handler's answer as the ledger keeps it. */
export interface StoredResponse extends Omit<BufferedResponse, "body"> {
  readonly body: Uint8Array | BodyObject;
}

/** The right to run the handler of a payment that settled before it. */
export interface FulfilmentGrant {
  /** Of the payment that is settled: when it was superseded, not the one that was sent. */
  readonly paymentId: string;
  /** The run this is, from 1. */
  readonly attempt: number;
}

export type ClaimReply =
  | {
      readonly result: "granted";
      readonly grant: ClaimGrant;
      /** Whether the handler may run while the payment is verified: its payer has an allowance left for that. */
      readonly alongside: boolean;
    }
  | {
      readonly result: "replay";
      readonly paymentId: string;
      readonly response: StoredResponse;
      readonly settlement: SettlementSummary;
      /** Whether the ledger knows that an answer with this response was written out. */
      readonly answered: boolean;
      /** Set when this payment was superseded and the answer is the earlier one's. */
      readonly supersededBy: string | null;
    }
  | {
      /** Settled upfront and not delivered: run the handler now, and report it (`recordFulfilment`). */
      readonly result: "fulfil";
      readonly grant: FulfilmentGrant;
      readonly settlement: SettlementSummary;
      readonly supersededBy: string | null;
    }
  | {
      readonly result: "in_progress";
      readonly paymentId: string;
      readonly retryAfterMs: number;
      readonly supersededBy: string | null;
    }
  | {
      readonly result: "unknown";
      readonly paymentId: string;
      readonly transaction: string | null;
      readonly retryAfterMs: number;
      readonly supersededBy: string | null;
    }
  | {
      readonly result: "failed";
      readonly paymentId: string;
      readonly reason: string;
      readonly transaction: string | null;
    }
  | { readonly result: "conflict" }
  | { readonly result: "proof_required"; readonly paymentId: string }
  | {
      readonly result: "response_expired";
      readonly paymentId: string;
      readonly settlement: SettlementSummary;
    }
  | {
      /** Settled upfront, never delivered, and not tried any more: a credit of the payer's. */
      readonly result: "undelivered";
      readonly paymentId: string;
      readonly settlement: SettlementSummary;
    }
  | {
      /** Who signed it decides what it gets: have a facilitator verify it, and claim it again with that proved. */
      readonly result: "verify_first";
    }
  | { readonly result: "refused"; readonly reason: string }
  | ({ readonly result: "not_admitted" } & NotAdmitted);

/** A claim of a payment that is known, or is not taken. */
export type DeclinedClaim = Exclude<
  ClaimReply,
  { readonly result: "granted" | "fulfil" | "verify_first" }
>;

/** What the payer is told about a settlement: the fields of the PAYMENT-RESPONSE header. */
export interface SettlementSummary {
  readonly transaction: string;
  /** CAIP-2. */
  readonly network: string;
  readonly payer: string;
  readonly amountAtomic: bigint;
  /** Null when nobody knows: an operator let the answer go. */
  readonly settledAtMs: number | null;
}

export interface StageRequest {
  readonly tenantId: TenantId;
  readonly grant: ClaimGrant;
  readonly identity: string;
  readonly authorization: Authorization;
  /** What a facilitator is sent, now and at every retry. */
  readonly wire: WirePayment;
  readonly route: { readonly path: string; readonly method: string; readonly url: string };
  /** Says what the platform keeps of the price, as `collection` does: nothing of what never reaches it. */
  readonly plan: PlanId;
  readonly collection: Collection;
  /** How long the response is kept after now, or can be come for where it is paid upfront; milliseconds. */
  readonly retentionMs: number;
  /** Null on an upfront route, where the handler runs after the settlement. */
  readonly response: StoredResponse | null;
  /** Facilitator of the first attempt, which the caller makes right after this call returns. */
  readonly facilitatorId: string;
  /** Id of the only facilitator that may settle this scheme, or null when any may. */
  readonly boundFacilitatorId: string | null;
  /** How long the attempt may stay unanswered before it counts as ambiguous. */
  readonly attemptLeaseMs: number;
  /** Of the run that made the response; null or left out without one. */
  readonly usage?: HandlerUsage | null;
}

export type StageReply =
  | { readonly result: "staged"; readonly attempt: number }
  /** The claim was taken over or is gone: nothing was stored, nothing may be settled. */
  | { readonly result: "fenced" };

export interface RecordRequest {
  readonly tenantId: TenantId;
  readonly paymentId: string;
  readonly attempt: number;
  readonly outcome: SettleOutcome;
  /** Facilitators the caller could try next, in order; empty when it will not try again. */
  readonly nextFacilitatorIds: readonly string[];
  readonly attemptLeaseMs: number;
}

export type RecordReply =
  | {
      readonly result: "settled";
      readonly settlement: SettlementSummary;
      /** Of an upfront payment: run its handler now. Null when another send does, and on other routes. */
      readonly fulfilment: FulfilmentGrant | null;
    }
  /** Nothing was sent by the attempt before: make this one now and record it. */
  | { readonly result: "attempt"; readonly attempt: number; readonly facilitatorId: string }
  | {
      readonly result: "unknown";
      readonly transaction: string | null;
      readonly retryAfterMs: number;
    }
  | { readonly result: "failed"; readonly reason: string; readonly transaction: string | null };

export interface FulfilmentRequest {
  readonly tenantId: TenantId;
  readonly grant: FulfilmentGrant;
  /** Whether the handler answered 2xx. */
  readonly delivered: boolean;
  /** Null or left out when it did not run after all. */
  readonly usage?: HandlerUsage | null;
}

export type FulfilmentReply =
  /** Recorded: the answer may leave. */
  | { readonly result: "fulfilled" }
  /** A resend runs the handler again. */
  | { readonly result: "pending" }
  | { readonly result: "undelivered" };

/** What a tenant's code moved through the egress policy since the last report. */
export type EgressUse = Pick<Usage, "egressBytes" | "subrequests">;

export interface ContainmentState {
  /** Today's and this month's. */
  readonly usage: UsageByPeriod;
  readonly suspension: Suspension | null;
  readonly atMs: number;
}

export interface ReleaseRequest {
  readonly tenantId: TenantId;
  readonly identity: string;
  readonly grant: ClaimGrant;
  /** Whether its handler ran for nothing, for a payment whose signature is its payer's. */
  readonly handlerRan: boolean;
  /** Of its run, for whichever payment; null or left out when it did not run. */
  readonly usage?: HandlerUsage | null;
}

export interface ReceiptQuery {
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly route: string | null;
  readonly payer: string | null;
  readonly state: string | null;
  readonly cursor: string | null;
  /** 1 to 1,000. */
  readonly limit: number;
}

export interface PayoutRequest {
  readonly tenantId: TenantId;
  /** Immutable number of the tenant: selects the deposit account that signs. */
  readonly tenantSerial: number;
  readonly idempotencyKey: string;
  readonly network: string;
  readonly asset: string;
  readonly payTo: string;
  readonly wallet: string;
  /** null pays out all that is available, up to the cap of one payout. */
  readonly amountAtomic: bigint | null;
}

export type PayoutReply<PayoutView> =
  | { readonly result: "accepted"; readonly payout: PayoutView; readonly replayed: boolean }
  | { readonly result: "nothing_available"; readonly availableAtomic: bigint }
  | { readonly result: "insufficient_available_funds"; readonly availableAtomic: bigint }
  | { readonly result: "over_payout_cap"; readonly capAtomic: bigint }
  | { readonly result: "idempotency_key_conflict" };
