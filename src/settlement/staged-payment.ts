/** What a claim becomes once its response and the intent to settle it are durable. */
import type { Authorization } from "./authorization.ts";
import type { Claim } from "./claim.ts";
import type { Payment } from "./payment.ts";

export interface StagedTerms {
  readonly authorization: Authorization;
  /** What the platform keeps of it. Atomic units. */
  readonly feeAtomic: bigint;
  readonly boundFacilitatorId: string | null;
  /** Null on an upfront route, where the handler runs after the settlement. */
  readonly response: unknown;
  /** Until when its answer is kept, or can be come for; milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

export function stagedPayment(claim: Claim, terms: StagedTerms, nowMs: number): Payment {
  const isUpfront = terms.response === null;
  return {
    paymentId: claim.paymentId,
    direction: "incoming",
    state: "staged",
    identity: claim.identity,
    payloadDigest: claim.payloadDigest,
    requestFingerprint: claim.requestFingerprint,
    proofs: claim.proofs,
    authorization: terms.authorization,
    feeAtomic: terms.feeAtomic,
    boundFacilitatorId: terms.boundFacilitatorId,
    attempts: [],
    transaction: null,
    evidence: null,
    failure: null,
    response: isUpfront ? "none" : "kept",
    fulfilment: isUpfront ? { state: "pending", attempts: 0, beforeMs: terms.expiresAtMs } : null,
    refundOf: null,
    ruling: null,
    resignGuard: claim.resignGuard,
    replayGraceMs: claim.replayGraceMs,
    claimedAtMs: claim.claimedAtMs,
    settledAtMs: null,
    confirmedAtMs: null,
    answeredAtMs: null,
    chainCheckedAtMs: null,
    retryCount: 0,
    dueAtMs: nowMs,
  };
}
