/**
 * Claims: the exclusive right to work on a payment until its response is staged. They live in memory under a lease,
 * because a lost claim charges nothing; and the decision on who gets one, and on what everyone else is told, is
 * made here.
 */
import { FULFILMENT_ATTEMPTS_MAX, awaitsFulfilment } from "./fulfilment.ts";
import { type Payment, type ReplayProofs, isAnswerable, isFailed, isSettled } from "./payment.ts";

export interface Claim {
  readonly paymentId: string;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly payer: string;
  readonly proofs: ReplayProofs;
  /** Until when its authorization could land, milliseconds since the epoch. */
  readonly validBeforeMs: number;
  /** Whether the signature is known to be the payer's: if not, it can't hold up the payer's other payments. */
  readonly signatureProved: boolean;
  readonly resignGuard: boolean;
  readonly replayGraceMs: number;
  /** Whether its handler may run before it is verified. */
  readonly alongside: boolean;
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
  /** Until when its own authorization could land, milliseconds since the epoch. */
  readonly validBeforeMs: number;
  /** Whether its signature is known to be the payer's: if not, it binds nothing and is told nothing of the other. */
  readonly signatureProved: boolean;
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
  /** Until when its authorization could land, milliseconds since the epoch. */
  readonly validBeforeMs: number;
  /** Whether the signature is known to be the payer's. */
  readonly signatureProved: boolean;
  readonly resignGuard: boolean;
  readonly replayGraceMs: number;
  /** Whether the route lets its handler run while the payment is verified. */
  readonly alongside?: boolean;
  /** The address that has signed in with this request; null or left out when none has. */
  readonly signedInAs?: string | null;
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
  /** The payment that came with the same identifier, whatever its authorization; null without an identifier. */
  readonly identifiedPayment: Payment | null;
  /** The claim that did, in memory. */
  readonly identifiedClaim: Claim | null;
  /** Whether the handler of an upfront payment is running now. */
  readonly isBeingFulfilled: (paymentId: string) => boolean;
}

export interface ClaimContext {
  readonly nowMs: number;
  readonly leaseMs: number;
  /** Used when the payment is new. */
  readonly newPaymentId: string;
}

/** Why no payment that was never seen before is taken for a tenant now. */
export interface NotAdmitted {
  readonly code: "tenant_suspended" | "tenant_limit_exceeded";
  /** Name of the limit that is reached; null when the tenant is suspended. */
  readonly limit: string | null;
  /** After which it may be taken, milliseconds; null when that is not known. */
  readonly retryAfterMs: number | null;
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
      /** Settled upfront and not delivered yet: whoever gets this runs the handler. */
      readonly decision: "fulfil";
      readonly payment: Payment;
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
  /** Settled upfront, and the handler will not be run again. */
  | { readonly decision: "undelivered"; readonly payment: Payment }
  /**
   * An earlier payment of its payer for the same request is settled, and who signed this one is not known yet: to be
   * claimed again when a facilitator has said so.
   */
  | { readonly decision: "verify_first" }
  | { readonly decision: "refused"; readonly reason: string }
  /** The payment could be taken, its tenant could not. */
  | ({ readonly decision: "not_admitted" } & NotAdmitted);

/**
 * Decides a claim. What is known wins over what is new, in this order: the payment that owns its identifier, the
 * payment itself, the claim on it, the payment that superseded it; only then does a refusal, the re-sign guard or a
 * grant come into play. So a known payment gets its answer whatever has changed since (price, expiry, suspension).
 */
export function decideClaim(
  command: ClaimCommand,
  known: ClaimKnowledge,
  context: ClaimContext,
): ClaimDecision {
  const taken = decideIdentifier(command, known, context);
  if (taken !== null) return taken;
  if (known.payment !== null) return decideKnown(command, known.payment, known, context);
  if (known.claim !== null && known.claim.leaseExpiresAtMs > context.nowMs) {
    return known.claim.requestFingerprint === command.requestFingerprint
      ? { decision: "in_progress", paymentId: known.claim.paymentId, superseded: null }
      : { decision: "conflict" };
  }
  const followed = known.superseded && decideSuperseded(command, known.superseded, known, context);
  if (followed !== null) return followed;
  if (command.refusal !== null) return { decision: "refused", reason: command.refusal };
  return decideEarlier(command, known, context) ?? grant(command, known, context);
}

/**
 * An identifier belongs to the payment that came with it first: with any other payload it is a conflict, also when
 * that one is signed again for the same request (x402 extension `payment-identifier`).
 */
function decideIdentifier(
  { identity }: ClaimCommand,
  { identifiedPayment, identifiedClaim }: ClaimKnowledge,
  { nowMs }: ClaimContext,
): ClaimDecision | null {
  if (identifiedPayment !== null && identifiedPayment.identity !== identity) {
    return { decision: "conflict" };
  }
  if (identifiedClaim === null || identifiedClaim.identity === identity) return null;
  if (identifiedClaim.leaseExpiresAtMs <= nowMs) return null;
  // A signature that is not its payer's binds nothing, or whoever knows an identifier could block it.
  return identifiedClaim.signatureProved ? { decision: "conflict" } : null;
}

function decideKnown(
  command: ClaimCommand,
  payment: Payment,
  known: ClaimKnowledge,
  { nowMs }: ClaimContext,
): ClaimDecision {
  if (!isSameSend(command, payment)) return { decision: "conflict" };
  if (!isAnswerable(payment)) {
    return isFailed(payment) ? { decision: "failed", payment } : unsettled(payment, null);
  }
  const decided = decideSettled(payment, null, known);
  const isAnswer = decided.decision === "replay" || decided.decision === "fulfil";
  const answerableAtMs = payment.settledAtMs ?? payment.ruling?.atMs ?? 0;
  // The grace window is for first requests that carried nothing to prove anything by (v1).
  const inGrace = !carriesProof(payment.proofs) && nowMs < answerableAtMs + payment.replayGraceMs;
  const isPayer =
    command.signedInAs === payment.authorization.payer ||
    provesPayer(command.proofs, payment.proofs);
  return !isAnswer || inGrace || isPayer ? decided : { decision: "proof_required", payment };
}

/** What an answerable payment still has to get: its stored answer, a run of the handler, or nothing. */
function decideSettled(
  payment: Payment,
  superseded: Superseded | null,
  { isBeingFulfilled }: ClaimKnowledge,
): ClaimDecision {
  const { paymentId, fulfilment } = payment;
  if (fulfilment === null) {
    return payment.response === "kept"
      ? { decision: "replay", payment, superseded }
      : { decision: "response_expired", payment };
  }
  switch (fulfilment.state) {
    case "pending":
      if (isBeingFulfilled(paymentId)) return { decision: "in_progress", paymentId, superseded };
      return fulfilment.attempts < FULFILMENT_ATTEMPTS_MAX
        ? { decision: "fulfil", payment, superseded }
        : { decision: "undelivered", payment };
    case "fulfilled":
      return { decision: "response_expired", payment };
    case "undelivered":
      return { decision: "undelivered", payment };
    default:
      return fulfilment.state satisfies never;
  }
}

/**
 * What a payer who has signed in is told about a request of theirs, without saying which payment was for it.
 * @param unanswered their newest payment for it that may still land, or whose answer was not written out
 * @param settled their newest settled payment for it whose answer is kept
 * @returns null when nothing of theirs was paid for
 */
export function decideSignedIn(
  unanswered: Payment | null,
  settled: Payment | null,
): Extract<ClaimDecision, { decision: "replay" | "in_progress" | "unknown" }> | null {
  if (unanswered !== null && !isAnswerable(unanswered)) return unsettled(unanswered, null);
  return settled === null ? null : { decision: "replay", payment: settled, superseded: null };
}

/** A payment that was superseded is sent again; null when that decides nothing. */
function decideSuperseded(
  command: ClaimCommand,
  superseded: Superseded,
  known: ClaimKnowledge,
  context: ClaimContext,
): ClaimDecision | null {
  const signatureProved = superseded.signatureProved || command.signatureProved;
  if (!isSameSend(command, superseded)) {
    return superseded.signatureProved ? { decision: "conflict" } : null;
  }
  const { supersededByPayment: payment, supersededByClaim: claim } = known;
  const followed = follow(payment, claim, { ...superseded, signatureProved }, known, context);
  return followed === null || signatureProved
    ? followed
    : untilProved(payment, superseded.supersededBy);
}

/**
 * What a payment is told of an earlier one while it is not known who signed it: neither the answer nor whose it is. A
 * facilitator may be shown it only when the earlier one has landed.
 */
function untilProved(payment: Payment | null, paymentId: string): ClaimDecision {
  return payment !== null && isSettled(payment)
    ? { decision: "verify_first" }
    : { decision: "in_progress", paymentId, superseded: null };
}

/** What a superseded payment is told: the earlier one's fate; null when that one can no longer land. */
function follow(
  payment: Payment | null,
  claim: Claim | null,
  superseded: Superseded,
  known: ClaimKnowledge,
  { nowMs }: ClaimContext,
): ClaimDecision | null {
  if (payment !== null) {
    if (isAnswerable(payment)) return decideSettled(payment, superseded, known);
    return isFailed(payment) ? null : unsettled(payment, superseded);
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
  if (payment === null && known.earlierClaim === null) return null;
  const claim = known.earlierClaim?.signatureProved === true ? known.earlierClaim : null;
  const earlierId = payment?.paymentId ?? claim?.paymentId;
  if (earlierId === undefined) return null;
  const paymentId = known.superseded?.paymentId ?? context.newPaymentId;
  const superseded = supersede({ ...command, paymentId }, earlierId);
  const followed = follow(payment, claim, superseded, known, context);
  return followed === null || command.signatureProved ? followed : untilProved(payment, earlierId);
}

/** Another payment for the same request stands in for this one. */
export function supersede(
  superseded: Omit<Superseded, "supersededBy">,
  supersededBy: string,
): Superseded {
  const { paymentId, identity, payloadDigest, requestFingerprint } = superseded;
  const { validBeforeMs, signatureProved } = superseded;
  return {
    paymentId,
    identity,
    payloadDigest,
    requestFingerprint,
    supersededBy,
    validBeforeMs,
    signatureProved,
  };
}

function guards(payment: Payment | null): payment is Payment {
  if (payment === null) return false;
  if (!isAnswerable(payment)) return !isFailed(payment);
  return (
    awaitsFulfilment(payment) || (payment.answeredAtMs === null && payment.response === "kept")
  );
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
      validBeforeMs: command.validBeforeMs,
      signatureProved: command.signatureProved,
      resignGuard: command.resignGuard,
      replayGraceMs: command.replayGraceMs,
      alongside: false,
      fence: (known.claim?.fence ?? 0) + 1,
      claimedAtMs: lapsed?.claimedAtMs ?? nowMs,
      leaseExpiresAtMs: nowMs + leaseMs,
    },
  };
}

/** Someone is at work on `staged` and `settling`; `unknown` is the engine's, and takes longer. */
function unsettled(
  payment: Payment,
  superseded: Superseded | null,
): Extract<ClaimDecision, { decision: "in_progress" | "unknown" }> {
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

function carriesProof({ quoteHash, identifierHash, idempotencyKeyHash }: ReplayProofs): boolean {
  return (quoteHash ?? identifierHash ?? idempotencyKeyHash) !== null;
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
