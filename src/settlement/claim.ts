/**
 * Claims: the exclusive right to work on a payment until its response is staged. They live in memory under a lease,
 * because a lost claim charges nothing; and the decision on who gets one, and on what everyone else is told, is
 * made here.
 */
import { type Payment, type ReplayProofs, isFailed, isSettled } from "./payment.ts";

export interface Claim {
  readonly paymentId: string;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly payer: string;
  readonly proofs: ReplayProofs;
  /** Whether the signature is known to be the payer's; until then it can't hold up the payer's other payments. */
  readonly signatureProved: boolean;
  readonly resignGuard: boolean;
  readonly replayGraceMs: number;
  /** Grows with every takeover: only the newest holder may stage. */
  readonly fence: number;
  readonly claimedAtMs: number;
  readonly leaseExpiresAtMs: number;
}

/** A payment that was not taken because the payer already had an earlier one for the same request under way. */
export interface Superseded {
  readonly paymentId: string;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly supersededBy: string;
}

/** A payment as it arrives. */
export interface ClaimCommand {
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly payer: string;
  readonly proofs: ReplayProofs;
  /** Why a payment never seen before would be refused; null when it would be taken. */
  readonly refusal: string | null;
  /** Whether the signature was proved to be the payer's before the claim. */
  readonly signatureProved: boolean;
  readonly resignGuard: boolean;
  readonly replayGraceMs: number;
}

/** All that the ledger knows that matters for one claim. */
export interface ClaimKnowledge {
  /** Same identity, staged or later. */
  readonly payment: Payment | null;
  /** Same identity, in memory. */
  readonly claim: Claim | null;
  readonly superseded: Superseded | null;
  /** The payment that superseded this one, if it still exists. */
  readonly supersededByPayment: Payment | null;
  readonly supersededByClaim: Claim | null;
  /** The payer's latest payment for the same request under another authorization. */
  readonly earlierPayment: Payment | null;
  readonly earlierClaim: Claim | null;
}

export interface ClaimContext {
  readonly nowMs: number;
  readonly leaseMs: number;
  /** Used when the payment is new. */
  readonly newPaymentId: string;
}

export type ClaimDecision =
  | { readonly decision: "grant"; readonly claim: Claim }
  | {
      readonly decision: "replay";
      readonly payment: Payment;
      /** Set when the answer belongs to an earlier payment that superseded this one. */
      readonly superseded: Superseded | null;
    }
  | {
      readonly decision: "in_progress";
      readonly paymentId: string;
      readonly superseded: Superseded | null;
    }
  | {
      readonly decision: "unknown";
      readonly payment: Payment;
      readonly superseded: Superseded | null;
    }
  | { readonly decision: "failed"; readonly payment: Payment }
  | { readonly decision: "conflict" }
  | { readonly decision: "proof_required"; readonly payment: Payment }
  | { readonly decision: "response_expired"; readonly payment: Payment }
  | { readonly decision: "refused"; readonly reason: string };

/**
 * Decides a claim. What is known wins over what is new, in this order: the payment itself, the claim on it, the
 * payment that superseded it; only then does a refusal, the re-sign guard or a grant come into play. So a known
 * payment gets its answer whatever has changed since (price, expiry, suspension).
 */
export function decideClaim(
  command: ClaimCommand,
  known: ClaimKnowledge,
  context: ClaimContext,
): ClaimDecision {
  if (known.payment !== null) return decideKnown(command, known.payment, context);
  if (known.claim !== null && known.claim.leaseExpiresAtMs > context.nowMs) {
    return known.claim.requestFingerprint === command.requestFingerprint
      ? { decision: "in_progress", paymentId: known.claim.paymentId, superseded: null }
      : { decision: "conflict" };
  }
  if (known.superseded !== null) {
    if (!isSameSend(command, known.superseded)) return { decision: "conflict" };
    const followed = follow(
      known.supersededByPayment,
      known.supersededByClaim,
      known.superseded,
      context,
    );
    if (followed !== null) return followed;
  }
  if (command.refusal !== null) return { decision: "refused", reason: command.refusal };
  return decideEarlier(command, known, context) ?? grant(command, known, context);
}

function decideKnown(
  command: ClaimCommand,
  payment: Payment,
  { nowMs }: ClaimContext,
): ClaimDecision {
  if (!isSameSend(command, payment)) return { decision: "conflict" };
  if (isFailed(payment)) return { decision: "failed", payment };
  if (!isSettled(payment)) return unsettled(payment, null);
  if (payment.response !== "kept") return { decision: "response_expired", payment };
  const inGrace =
    payment.settledAtMs !== null && nowMs < payment.settledAtMs + payment.replayGraceMs;
  if (!inGrace && !provesPayer(command.proofs, payment.proofs)) {
    return { decision: "proof_required", payment };
  }
  return { decision: "replay", payment, superseded: null };
}

/** What a superseded payment is told: the earlier one's fate; null when that one can no longer land. */
function follow(
  payment: Payment | null,
  claim: Claim | null,
  superseded: Superseded,
  { nowMs }: ClaimContext,
): ClaimDecision | null {
  if (payment !== null) {
    if (isFailed(payment)) return null;
    if (!isSettled(payment)) return unsettled(payment, superseded);
    return payment.response === "kept"
      ? { decision: "replay", payment, superseded }
      : { decision: "response_expired", payment };
  }
  if (claim !== null && claim.leaseExpiresAtMs > nowMs) {
    return { decision: "in_progress", paymentId: claim.paymentId, superseded };
  }
  return null;
}

/**
 * The re-sign guard: the payer already has an earlier authorization for the same request that may land, or that
 * settled without its answer having been written out. Signing again must not charge again.
 */
function decideEarlier(
  command: ClaimCommand,
  known: ClaimKnowledge,
  context: ClaimContext,
): ClaimDecision | null {
  if (!command.resignGuard) return null;
  const payment = guards(known.earlierPayment) ? known.earlierPayment : null;
  const claim = known.earlierClaim?.signatureProved === true ? known.earlierClaim : null;
  const earlierId = payment?.paymentId ?? claim?.paymentId;
  if (earlierId === undefined) return null;
  const superseded: Superseded = {
    paymentId: known.superseded?.paymentId ?? context.newPaymentId,
    identity: command.identity,
    payloadDigest: command.payloadDigest,
    requestFingerprint: command.requestFingerprint,
    supersededBy: earlierId,
  };
  const followed = follow(payment, claim, superseded, context);
  if (followed === null || command.signatureProved) return followed;
  // Whoever signed is not known yet, so neither the answer nor the identity is given away.
  return { decision: "in_progress", paymentId: earlierId, superseded: null };
}

function guards(payment: Payment | null): payment is Payment {
  if (payment === null || isFailed(payment)) return false;
  if (!isSettled(payment)) return true;
  return payment.answeredAtMs === null && payment.response === "kept";
}

function grant(
  command: ClaimCommand,
  known: ClaimKnowledge,
  { nowMs, leaseMs, newPaymentId }: ClaimContext,
): ClaimDecision {
  const lapsed = known.claim !== null && isSameSend(command, known.claim) ? known.claim : null;
  return {
    decision: "grant",
    claim: {
      paymentId: lapsed?.paymentId ?? known.superseded?.paymentId ?? newPaymentId,
      identity: command.identity,
      payloadDigest: command.payloadDigest,
      requestFingerprint: command.requestFingerprint,
      payer: command.payer,
      proofs: command.proofs,
      signatureProved: command.signatureProved,
      resignGuard: command.resignGuard,
      replayGraceMs: command.replayGraceMs,
      fence: (known.claim?.fence ?? 0) + 1,
      claimedAtMs: lapsed?.claimedAtMs ?? nowMs,
      leaseExpiresAtMs: nowMs + leaseMs,
    },
  };
}

/** Someone is at work on `staged` and `settling`; `unknown` is the engine's, and takes longer. */
function unsettled(payment: Payment, superseded: Superseded | null): ClaimDecision {
  return payment.state === "settling"
    ? { decision: "in_progress", paymentId: payment.paymentId, superseded }
    : { decision: "unknown", payment, superseded };
}

function isSameSend(
  command: ClaimCommand,
  known: Pick<Payment, "payloadDigest" | "requestFingerprint">,
): boolean {
  return (
    command.payloadDigest === known.payloadDigest &&
    command.requestFingerprint === known.requestFingerprint
  );
}

/** One secret of the first request is enough. */
function provesPayer(shown: ReplayProofs, kept: ReplayProofs): boolean {
  return (
    matches(shown.quoteHash, kept.quoteHash) ||
    matches(shown.identifierHash, kept.identifierHash) ||
    matches(shown.idempotencyKeyHash, kept.idempotencyKeyHash)
  );
}

function matches(shown: string | null, kept: string | null): boolean {
  return shown !== null && shown === kept;
}
