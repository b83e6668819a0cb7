/**
 * The ledger of one tenant: the settlement core applied to a store, one short synchronous step per call. It knows
 * no network and no clock. Each method that writes is one transaction: either the payment, its response, its
 * journal postings and its alarm are all there, or none is.
 */
import type { StageRequest, StoredResponse } from "../../src/contracts/ledger.ts";
import {
  type Claim,
  type ClaimCommand,
  type ClaimDecision,
  type Superseded,
  decideClaim,
} from "../../src/settlement/claim.ts";
import type { AuthorizationEvidence, ConfirmationEvidence } from "../../src/settlement/evidence.ts";
import { chooseFacilitator } from "../../src/settlement/next-step.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import { type Payment, isFailed, isSettled } from "../../src/settlement/payment.ts";
import type { PaymentEvent, TransitionContext } from "../../src/settlement/event.ts";
import { transition } from "../../src/settlement/transition.ts";
import { CLAIMS_MAX, Claims } from "./claims.ts";
import type { LedgerStore } from "./store.ts";

/** Longer than the verify and handler deadlines of every plan together, so a working edge never loses its claim. */
export const CLAIM_LEASE_MS = 60_000;

/** A stored response is kept at least until nobody can be charged for it any more. */
const RESPONSE_KEPT_AGAIN_MS = 3_600_000;

export type StageDecision =
  | { readonly result: "staged"; readonly payment: Payment; readonly attempt: number }
  | { readonly result: "fenced" };

/** The parts of a stage request that the ledger itself needs, with what its caller worked out. */
export interface StageCommand extends Omit<StageRequest, "tenantId" | "plan"> {
  readonly feeAtomic: bigint;
  /** How long the response is kept after now, milliseconds. */
  readonly retentionMs: number;
}

export class Ledger {
  readonly #store: LedgerStore;
  readonly #claims = new Claims();
  /** Payments whose answers were written out, not yet in their rows: the next write takes them along. */
  readonly #answered = new Set<string>();

  constructor(store: LedgerStore) {
    this.#store = store;
  }

  /** Decides who may work on a payment, and what everyone else is told. Reads mostly; a grant is memory only. */
  claim(command: ClaimCommand, newPaymentId: string, nowMs: number): ClaimDecision {
    if (this.#claims.size >= CLAIMS_MAX) this.#claims.removeLapsed(nowMs);
    const decision = decideClaim(command, this.#knowledge(command), {
      nowMs,
      leaseMs: CLAIM_LEASE_MS,
      newPaymentId,
    });
    if (decision.decision === "grant") {
      if (this.#claims.size >= CLAIMS_MAX) return { decision: "refused", reason: "rate_limited" };
      this.#claims.put(decision.claim);
    }
    const superseded = "superseded" in decision ? decision.superseded : null;
    if (superseded !== null) this.#rememberSuperseded(superseded, nowMs);
    return decision;
  }

  /**
   * Takes note that answers were written out. In memory first, so that it costs no commit of its own: losing it
   * means at worst that a payer who asks again is not charged again.
   */
  noteAnswered(paymentIds: readonly string[]): void {
    for (const paymentId of paymentIds) this.#answered.add(paymentId);
  }

  /** Writes what `noteAnswered` has collected. */
  saveAnswered(context: TransitionContext): void {
    if (this.#answered.size === 0) return;
    const paymentIds = [...this.#answered];
    this.#store.transaction(() => {
      for (const paymentId of paymentIds) this.apply(paymentId, { type: "answered" }, context);
    });
    for (const paymentId of paymentIds) this.#answered.delete(paymentId);
  }

  /** Gives a claim back; nothing was charged. A holder that was overtaken changes nothing. */
  release(identity: string, paymentId: string, fence: number): boolean {
    const claim = this.#heldClaim(identity, paymentId, fence);
    if (claim !== null) this.#claims.remove(claim);
    return claim !== null;
  }

  /** Makes response and intent durable and opens the first attempt, before any settle call is made. */
  stage(command: StageCommand, context: TransitionContext): StageDecision {
    const { identity, grant } = command;
    const claim = this.#heldClaim(identity, grant.paymentId, grant.fence);
    if (claim === null) return { result: "fenced" };
    const staged: Payment = {
      paymentId: claim.paymentId,
      direction: "incoming",
      state: "staged",
      identity,
      payloadDigest: claim.payloadDigest,
      requestFingerprint: claim.requestFingerprint,
      proofs: claim.proofs,
      authorization: command.authorization,
      feeAtomic: command.feeAtomic,
      boundFacilitatorId: command.boundFacilitatorId,
      attempts: [],
      transaction: null,
      evidence: null,
      failure: null,
      response: "kept",
      resignGuard: claim.resignGuard,
      replayGraceMs: claim.replayGraceMs,
      claimedAtMs: claim.claimedAtMs,
      settledAtMs: null,
      confirmedAtMs: null,
      answeredAtMs: null,
      chainCheckedAtMs: null,
      retryCount: 0,
      dueAtMs: context.nowMs,
    };
    const { payment } = transition(
      staged,
      {
        type: "attempt_started",
        facilitatorId: command.facilitatorId,
        leaseMs: command.attemptLeaseMs,
      },
      context,
    );
    const expiresAtMs = context.nowMs + command.retentionMs;
    this.#store.transaction(() => {
      this.saveAnswered(context);
      this.#store.payments.insert(
        payment,
        { routePath: command.route.path, method: command.route.method, url: command.route.url },
        command.wire,
      );
      this.#store.responses.put(payment.paymentId, command.response, expiresAtMs);
      this.#store.wakeAt(Math.min(payment.dueAtMs ?? expiresAtMs, expiresAtMs));
    });
    this.#claims.remove(claim);
    return { result: "staged", payment, attempt: payment.attempts.length };
  }

  /**
   * Records how an attempt ended. When nothing was sent, and the caller can reach another facilitator, the next
   * attempt is opened at once (`attempts` of the returned payment has it open).
   */
  finishAttempt(
    paymentId: string,
    attempt: number,
    outcome: SettleOutcome,
    next: { readonly facilitatorIds: readonly string[]; readonly leaseMs: number },
    context: TransitionContext,
  ): Payment | null {
    return this.#store.transaction(() => {
      const payment = this.apply(
        paymentId,
        { type: "attempt_finished", attempt, outcome },
        context,
      );
      if (payment?.state !== "staged" || outcome.class !== "unavailable") return payment;
      const untried = next.facilitatorIds.filter(
        (id) => !payment.attempts.some(({ facilitatorId }) => facilitatorId === id),
      );
      const facilitatorId =
        untried.length === 0 ? null : chooseFacilitator(payment, { facilitatorIds: untried });
      if (facilitatorId === null || !untried.includes(facilitatorId)) return payment;
      return this.apply(
        paymentId,
        { type: "attempt_started", facilitatorId, leaseMs: next.leaseMs },
        context,
      );
    });
  }

  /** Applies one event with all its effects. Null when there is no such payment. */
  apply(paymentId: string, event: PaymentEvent, context: TransitionContext): Payment | null {
    return this.#store.transaction((): Payment | null => {
      const before = this.#store.payments.byId(paymentId);
      if (before === null) return null;
      const { payment, effects } = transition(before, this.#checked(before, event), context);
      if (payment !== before) this.#store.payments.update(payment);
      if (payment.evidence !== before.evidence) {
        this.#store.payments.setEvidence(payment, payment.evidence);
      }
      for (const effect of effects) {
        if (effect.effect === "post") this.#store.journal.append(effect.posting, context.nowMs);
        else this.#store.alerts.append(effect.kind, paymentId, effect.detail, context.nowMs);
      }
      if (payment.dueAtMs !== null) this.#store.wakeAt(payment.dueAtMs);
      return payment;
    });
  }

  payment(paymentId: string): Payment | null {
    return this.#store.payments.byId(paymentId);
  }

  responseOf(paymentId: string): StoredResponse | null {
    return this.#store.responses.get(paymentId);
  }

  /**
   * Removes responses whose retention has ended, at most `limit`. A payment that may still land keeps its response:
   * its payer has not been able to fetch it yet.
   */
  removeExpiredResponses(limit: number, context: TransitionContext): number {
    const expired = this.#store.responses.expired(context.nowMs, limit);
    for (const paymentId of expired) {
      this.#store.transaction(() => {
        const payment = this.#store.payments.byId(paymentId);
        if (payment !== null && !isSettled(payment) && !isFailed(payment)) {
          this.#store.responses.extend(paymentId, context.nowMs + RESPONSE_KEPT_AGAIN_MS);
          return;
        }
        this.apply(paymentId, { type: "response_removed" }, context);
        this.#store.responses.remove(paymentId);
      });
    }
    return expired.length;
  }

  #knowledge(command: ClaimCommand): Parameters<typeof decideClaim>[1] {
    const { payments } = this.#store;
    const superseded = payments.superseded(command.identity);
    const payment = payments.byIdentity(command.identity);
    const earlierClaim = this.#claims.ofRequest(command.payer, command.requestFingerprint);
    return {
      payment,
      claim: this.#claims.of(command.identity),
      superseded,
      supersededByPayment: superseded === null ? null : payments.byId(superseded.supersededBy),
      supersededByClaim:
        earlierClaim !== null && earlierClaim.paymentId === superseded?.supersededBy
          ? earlierClaim
          : null,
      earlierPayment: payment === null && command.resignGuard ? this.#unanswered(command) : null,
      earlierClaim: earlierClaim?.identity === command.identity ? null : earlierClaim,
    };
  }

  #unanswered({ payer, requestFingerprint }: ClaimCommand): Payment | null {
    const payment = this.#store.payments.latestUnanswered(payer, requestFingerprint);
    return payment !== null && this.#answered.has(payment.paymentId) ? null : payment;
  }

  #rememberSuperseded(superseded: Superseded, nowMs: number): void {
    const known = this.#store.payments.superseded(superseded.identity);
    if (known?.supersededBy === superseded.supersededBy) return;
    this.#store.payments.putSuperseded(superseded, nowMs);
  }

  #heldClaim(identity: string, paymentId: string, fence: number): Claim | null {
    const claim = this.#claims.of(identity);
    return claim?.paymentId === paymentId && claim.fence === fence ? claim : null;
  }

  /** A log that already proves another payment proves nothing here. */
  #checked(payment: Payment, event: PaymentEvent): PaymentEvent {
    const evidence: AuthorizationEvidence | ConfirmationEvidence | null =
      event.type === "chain_checked" || event.type === "confirmation_checked"
        ? event.evidence
        : null;
    if (evidence === null || !("transfer" in evidence)) return event;
    const owner = this.#store.payments.paymentProvedBy(
      payment.authorization.network,
      evidence.transfer,
    );
    if (owner === null || owner === payment.paymentId) return event;
    return event.type === "chain_checked"
      ? {
          type: "chain_checked",
          evidence: { found: "used_otherwise", transaction: evidence.transfer.transaction },
        }
      : { type: "confirmation_checked", evidence: { found: "missing" } };
  }
}
