/** Decisions of the ledger as its callers are told them. Pure. */
import type {
  ClaimReply,
  FulfilmentReply,
  RecordReply,
  SettlementSummary,
  StoredResponse,
} from "../../src/contracts/ledger.ts";
import type { PaymentStatus } from "../../src/contracts/tenant-api.ts";
import type { ClaimDecision } from "../../src/settlement/claim.ts";
import { shownState } from "../../src/settlement/fulfilment.ts";
import { type Payment, isFailed, isSettled, openAttempt } from "../../src/settlement/payment.ts";

/** What a client is told to wait before it resends. */
export const RETRY_AFTER_MS = 1_000;

/**
 * @param responseOf the stored response of a payment
 * @throws when a payment has lost the response it says is kept
 */
export function claimReply(
  decision: ClaimDecision,
  responseOf: (paymentId: string) => StoredResponse | null,
): ClaimReply {
  switch (decision.decision) {
    case "grant": {
      const { paymentId, fence, leaseExpiresAtMs, alongside } = decision.claim;
      return { result: "granted", grant: { paymentId, fence, leaseExpiresAtMs }, alongside };
    }
    case "replay":
      return replay(decision.payment, decision.superseded?.supersededBy ?? null, responseOf);
    case "fulfil": {
      const { paymentId, fulfilment } = decision.payment;
      return {
        result: "fulfil",
        grant: { paymentId, attempt: fulfilment?.attempts ?? 0 },
        settlement: summaryOf(decision.payment),
        supersededBy: decision.superseded?.supersededBy ?? null,
      };
    }
    case "in_progress":
      return {
        result: "in_progress",
        paymentId: decision.paymentId,
        retryAfterMs: RETRY_AFTER_MS,
        supersededBy: decision.superseded?.supersededBy ?? null,
      };
    case "unknown":
      return unknownReply(decision.payment, decision.superseded?.supersededBy ?? null);
    case "failed":
      return {
        result: "failed",
        paymentId: decision.payment.paymentId,
        reason: decision.payment.failure ?? "settlement_failed",
        transaction: decision.payment.transaction,
      };
    case "response_expired":
      return {
        result: "response_expired",
        paymentId: decision.payment.paymentId,
        settlement: summaryOf(decision.payment),
      };
    case "undelivered":
      return {
        result: "undelivered",
        paymentId: decision.payment.paymentId,
        settlement: summaryOf(decision.payment),
      };
    case "proof_required":
      return { result: "proof_required", paymentId: decision.payment.paymentId };
    case "conflict":
      return { result: "conflict" };
    case "verify_first":
      return { result: "verify_first" };
    case "refused":
      return { result: "refused", reason: decision.reason };
    case "not_admitted": {
      const { code, limit, retryAfterMs } = decision;
      return { result: "not_admitted", code, limit, retryAfterMs };
    }
    default:
      return decision satisfies never;
  }
}

function replay(
  payment: Payment,
  supersededBy: string | null,
  responseOf: (paymentId: string) => StoredResponse | null,
): ClaimReply {
  const response = responseOf(payment.paymentId);
  if (response === null) {
    throw new Error(`payment ${payment.paymentId} has lost the response it says is kept`);
  }
  return {
    result: "replay",
    paymentId: payment.paymentId,
    response,
    settlement: summaryOf(payment),
    answered: payment.answeredAtMs !== null,
    supersededBy,
  };
}

/**
 * @param attempt whose outcome was recorded: a later open one is the caller's next
 * @param run of the handler that the caller was given; null when none is to be made
 */
export function recordReply(payment: Payment, attempt: number, run: number | null): RecordReply {
  if (isSettled(payment)) {
    const fulfilment = run === null ? null : { paymentId: payment.paymentId, attempt: run };
    return { result: "settled", settlement: summaryOf(payment), fulfilment };
  }
  if (isFailed(payment)) {
    return {
      result: "failed",
      reason: payment.failure ?? "settlement_failed",
      transaction: payment.transaction,
    };
  }
  const open = openAttempt(payment);
  return open !== null && open.attempt > attempt
    ? { result: "attempt", attempt: open.attempt, facilitatorId: open.facilitatorId }
    : { result: "unknown", transaction: payment.transaction, retryAfterMs: RETRY_AFTER_MS };
}

export function fulfilmentReply({ fulfilment }: Payment): FulfilmentReply {
  return { result: fulfilment?.state ?? "pending" };
}

/** What anyone who has a payment's id may know. */
export function paymentStatus(payment: Payment): PaymentStatus {
  return {
    paymentId: payment.paymentId,
    state: shownState(payment),
    transaction: payment.transaction,
    failure: payment.failure,
    retryAfterMs: isSettled(payment) || isFailed(payment) ? null : RETRY_AFTER_MS,
  };
}

/** Of a payment that is verified, or whose handler runs: nothing is charged yet. */
export function claimedStatus(paymentId: string): PaymentStatus {
  return {
    paymentId,
    state: "claimed",
    transaction: null,
    failure: null,
    retryAfterMs: RETRY_AFTER_MS,
  };
}

function unknownReply(payment: Payment, supersededBy: string | null): ClaimReply {
  return {
    result: "unknown",
    paymentId: payment.paymentId,
    transaction: payment.transaction,
    retryAfterMs: RETRY_AFTER_MS,
    supersededBy,
  };
}

function summaryOf(payment: Payment): SettlementSummary {
  const { network, payer, amountAtomic } = payment.authorization;
  const { transaction, settledAtMs } = payment;
  return { transaction: transaction ?? "", network, payer, amountAtomic, settledAtMs };
}
