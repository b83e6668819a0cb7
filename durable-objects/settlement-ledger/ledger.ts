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
  supersede,
} from "../../src/settlement/claim.ts";
import { awaitsFulfilment } from "../../src/settlement/fulfilment.ts";
import { chooseFacilitator } from "../../src/settlement/next-step.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import { stagedPayment } from "../../src/settlement/staged-payment.ts";
import { type Payment, isSettled } from "../../src/settlement/payment.ts";
import type { PaymentEvent, TransitionContext } from "../../src/settlement/event.ts";
import { transition } from "../../src/settlement/transition.ts";
import type { AdmissionLimits } from "../../src/tenant/budgets.ts";
import { checkedEvidence } from "./store/checked-evidence.ts";
import { CLAIMS_MAX, Claims } from "./claims.ts";
import type { Containment, OpenCalls } from "./admission/containment.ts";
import { removeExpiredResponses } from "./store/expired-responses.ts";
import { Fulfilments } from "./fulfilments.ts";
import { PayerLimits } from "./admission/payer-limits.ts";
import type { ExpiredObject, LedgerStore } from "./store/store.ts";

/** Longer than the verify and handler deadlines of every plan together, so a working edge never loses its claim. */
export const CLAIM_LEASE_MS = 60_000;

/**
 * A superseded payment stays known for so long after its authorization could last land: its client may resend it until
 * then and gets the earlier payment's answer, and clocks may differ.
 */
const SUPERSEDED_KEPT_MS = 3_600_000;

export type StageDecision =
  | { readonly result: "staged"; readonly payment: Payment; readonly attempt: number }
  | { readonly result: "fenced" };

/** The parts of a stage request that the ledger itself needs, with what its caller worked out. */
export interface StageCommand extends Omit<
  StageRequest,
  "tenantId" | "plan" | "collection" | "usage"
> {
  readonly feeAtomic: bigint;
}

export interface LedgerClaimCommand extends ClaimCommand {
  /** In force for the tenant; without them it is not bounded. */
  readonly limits?: AdmissionLimits;
}

type Admission = Pick<Containment, "admit" | "charged">;

export class Ledger implements OpenCalls {
  readonly #store: LedgerStore;
  readonly #containment: Admission | null;
  readonly #claims = new Claims();
  readonly #limits = new PayerLimits(this.#claims);
  readonly #fulfilments = new Fulfilments();
  /** Payments whose answers were written out, not yet in their rows: the next write takes them along. */
  readonly #answered = new Set<string>();

  /** @param containment what bounds the tenant as a whole; null admits everything */
  constructor(store: LedgerStore, containment: Admission | null = null) {
    this.#store = store;
    this.#containment = containment;
  }

  get openCalls(): number {
    return this.#claims.size + this.#fulfilments.size;
  }

  liveCalls(nowMs: number): number {
    return this.#claims.liveCount(nowMs) + this.#fulfilments.liveCount(nowMs);
  }

  /** Payments that somebody is working on and that are not staged yet. */
  get claimCount(): number {
    return this.#claims.size;
  }

  /** Decides who may work on a payment, and what everyone else is told. Reads mostly; a grant is memory only. */
  claim(command: LedgerClaimCommand, newPaymentId: string, nowMs: number): ClaimDecision {
    if (this.#claims.size >= CLAIMS_MAX) this.#claims.removeLapsed(nowMs);
    const context = { nowMs, leaseMs: CLAIM_LEASE_MS, newPaymentId };
    let decision = decideClaim(command, this.#knowledge(command, nowMs), context);
    if (decision.decision === "grant") decision = this.#admit(decision.claim, command, nowMs);
    if (decision.decision === "grant") this.#claims.put(decision.claim);
    const superseded = "superseded" in decision ? decision.superseded : null;
    if (superseded !== null) this.#rememberSuperseded(superseded, nowMs);
    return this.#advanceFulfilment(decision, { nowMs, jitter: 0 });
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

  /**
   * Gives a claim back; nothing was charged. A holder that was overtaken changes nothing.
   * @param handlerRanAtMs when its handler ran for nothing; null when it did not run
   */
  release(
    identity: string,
    paymentId: string,
    fence: number,
    handlerRanAtMs: number | null = null,
  ): boolean {
    const claim = this.#heldClaim(identity, paymentId, fence);
    if (claim === null) return false;
    this.#claims.remove(claim);
    this.#limits.released(claim, handlerRanAtMs);
    return true;
  }

  /** Makes response and intent durable and opens the first attempt, before any settle call is made. */
  stage(command: StageCommand, context: TransitionContext): StageDecision {
    const { identity, grant } = command;
    const claim = this.#heldClaim(identity, grant.paymentId, grant.fence);
    if (claim === null) return { result: "fenced" };
    if (this.#identifierIsTaken(claim)) {
      this.release(identity, grant.paymentId, grant.fence);
      return { result: "fenced" };
    }
    const expiresAtMs = context.nowMs + command.retentionMs;
    const { payment } = transition(
      stagedPayment(claim, { ...command, expiresAtMs }, context.nowMs),
      {
        type: "attempt_started",
        facilitatorId: command.facilitatorId,
        leaseMs: command.attemptLeaseMs,
      },
      context,
    );
    // The re-sign guard once more: a claim for the same request may have been let past another one, whose lease had ended
    // or whose signature was not known to be the payer's. The first to stage wins, and the others have lost it.
    const overtaken = claim.resignGuard ? this.#claims.othersOf(claim) : [];
    this.#store.transaction(() => {
      this.saveAnswered(context);
      this.#store.payments.insert(
        payment,
        { routePath: command.route.path, method: command.route.method, url: command.route.url },
        command.wire,
      );
      if (command.response !== null) {
        this.#store.responses.put(payment.paymentId, command.response, expiresAtMs);
      }
      for (const other of overtaken) {
        this.#store.superseded.put(supersede(other, payment.paymentId), context.nowMs);
      }
      this.#store.wakeAt(Math.min(payment.dueAtMs ?? expiresAtMs, expiresAtMs));
    });
    for (const done of [claim, ...overtaken]) this.#claims.remove(done);
    this.#limits.staged(claim, payment);
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

  /**
   * Gives out the run of an upfront payment's handler, one at a time, and counts it before it starts.
   * @returns the run's number, or null when it is not to be run now
   */
  startFulfilment(payment: Payment, context: TransitionContext): number | null {
    const { paymentId } = payment;
    if (!awaitsFulfilment(payment) || this.#fulfilments.isRunning(paymentId, context.nowMs)) {
      return null;
    }
    const started = this.apply(paymentId, { type: "fulfilment_started" }, context);
    const attempt = started?.fulfilment?.attempts ?? 0;
    if (attempt === payment.fulfilment?.attempts) return null;
    this.#fulfilments.start(paymentId, attempt, context.nowMs);
    return attempt;
  }

  /** Records how a run of the handler ended. Null when there is no such payment. */
  finishFulfilment(
    paymentId: string,
    attempt: number,
    delivered: boolean,
    context: TransitionContext,
  ): Payment | null {
    const event: PaymentEvent = { type: "fulfilment_finished", attempt, delivered };
    const payment = this.apply(paymentId, event, context);
    this.#fulfilments.end(paymentId, attempt);
    return payment;
  }

  /** Applies one event with all its effects. Null when there is no such payment. */
  apply(paymentId: string, event: PaymentEvent, context: TransitionContext): Payment | null {
    return this.#store.transaction((): Payment | null => {
      const before = this.#store.payments.byId(paymentId);
      if (before === null) return null;
      const { payment, effects } = transition(
        before,
        checkedEvidence(this.#store, before, event),
        context,
      );
      if (payment !== before) this.#store.payments.update(payment);
      if (payment.evidence !== before.evidence) {
        this.#store.payments.setEvidence(payment, payment.evidence);
        if (payment.evidence !== null) {
          this.#store.deposits.claim(payment, payment.evidence, context.nowMs);
        }
      }
      for (const effect of effects) {
        if (effect.effect === "post") this.#store.journal.append(effect.posting, context.nowMs);
        else this.#store.alerts.append(effect.kind, paymentId, effect.detail, context.nowMs);
      }
      if (payment.dueAtMs !== null) this.#store.wakeAt(payment.dueAtMs);
      this.#limits.moved(before, payment, context.nowMs);
      this.#countCharge(before, payment, context.nowMs);
      return payment;
    });
  }

  /** Whether somebody is working on a payment that is not staged yet. */
  isClaimed(paymentId: string, nowMs: number): boolean {
    const claim = this.#claims.ofPayment(paymentId);
    return claim !== null && claim.leaseExpiresAtMs > nowMs;
  }

  payment(paymentId: string): Payment | null {
    return this.#store.payments.byId(paymentId);
  }

  latestUnanswered(payer: string, requestFingerprint: string): Payment | null {
    return this.#store.payments.latestUnanswered(payer, requestFingerprint);
  }

  responseOf(paymentId: string): StoredResponse | null {
    return this.#store.responses.get(paymentId);
  }

  /** Removes responses whose retention has ended, at most `limit`. @returns what lies outside, to be deleted */
  removeExpiredResponses(limit: number, context: TransitionContext): ExpiredObject[] {
    return removeExpiredResponses(this.#store, limit, context.nowMs, (paymentId) => {
      this.apply(paymentId, { type: "response_removed" }, context);
    });
  }

  /** Forgets superseded payments that can't land any more, at most `limit`. */
  removeSuperseded(limit: number, nowMs: number): void {
    this.#store.superseded.removeLapsed(nowMs - SUPERSEDED_KEPT_MS, limit);
  }

  /** Takes note that these objects are deleted. */
  forgetObjects(objects: readonly ExpiredObject[]): void {
    this.#store.transaction(() => {
      for (const { paymentId } of objects) this.#store.responses.remove(paymentId);
    });
  }

  /** Whether there is room for one more payment, of its payer and of the tenant. */
  #admit(claim: Claim, { alongside, limits }: LedgerClaimCommand, nowMs: number): ClaimDecision {
    if (this.#claims.size >= CLAIMS_MAX) return { decision: "refused", reason: "rate_limited" };
    const decision = this.#limits.admit(claim, alongside === true, nowMs);
    if (decision.decision !== "grant" || limits === undefined) return decision;
    const refusal = this.#containment?.admit(limits, this, nowMs) ?? null;
    if (refusal === null) return decision;
    this.#limits.released(decision.claim, null);
    return { decision: "not_admitted", ...refusal };
  }

  #countCharge(before: Payment, after: Payment, nowMs: number): void {
    if (after.direction !== "incoming" || isSettled(after) === isSettled(before)) return;
    this.#containment?.charged(isSettled(after) ? 1 : -1, nowMs);
  }

  /** Whoever is told to run the handler holds its run; one that will not be run again is given up. */
  #advanceFulfilment(decision: ClaimDecision, context: TransitionContext): ClaimDecision {
    if (decision.decision === "fulfil") {
      const { paymentId } = decision.payment;
      if (this.startFulfilment(decision.payment, context) === null) {
        throw new Error(`payment ${paymentId} was to be fulfilled and can't be`);
      }
      return { ...decision, payment: this.payment(paymentId) ?? decision.payment };
    }
    if (decision.decision === "undelivered" && decision.payment.fulfilment?.state === "pending") {
      const { paymentId, fulfilment } = decision.payment;
      this.finishFulfilment(paymentId, fulfilment.attempts, false, context);
    }
    return decision;
  }

  #knowledge(command: ClaimCommand, nowMs: number): Parameters<typeof decideClaim>[1] {
    const { payments } = this.#store;
    const superseded = this.#store.superseded.get(command.identity);
    const payment = payments.byIdentity(command.identity);
    const earlierClaim = this.#claims.ofRequest(command.payer, command.requestFingerprint);
    const { identifierHash } = command.proofs;
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
      identifiedPayment: identifierHash === null ? null : payments.byIdentifier(identifierHash),
      identifiedClaim: identifierHash === null ? null : this.#claims.ofIdentifier(identifierHash),
      isBeingFulfilled: (paymentId) => this.#fulfilments.isRunning(paymentId, nowMs),
    };
  }

  #unanswered({ payer, requestFingerprint }: ClaimCommand): Payment | null {
    const payment = this.#store.payments.latestUnanswered(payer, requestFingerprint);
    return payment !== null && this.#answered.has(payment.paymentId) ? null : payment;
  }

  #rememberSuperseded(superseded: Superseded, nowMs: number): void {
    const known = this.#store.superseded.get(superseded.identity);
    const isKnown =
      known?.supersededBy === superseded.supersededBy &&
      known.signatureProved === superseded.signatureProved;
    if (isKnown) return;
    this.#store.superseded.put(superseded, nowMs);
  }

  /** Two payments with one identifier were let in, since neither's signature was known: the first to stage has it. */
  #identifierIsTaken({ proofs: { identifierHash } }: Claim): boolean {
    return identifierHash !== null && this.#store.payments.byIdentifier(identifierHash) !== null;
  }

  #heldClaim(identity: string, paymentId: string, fence: number): Claim | null {
    const claim = this.#claims.of(identity);
    return claim?.paymentId === paymentId && claim.fence === fence ? claim : null;
  }
}
