/**
 * What a payer may cost before anything is charged: payments in flight, and runs of a handler that nobody pays for.
 * Only what is proved to be the payer's is held against them, so that nobody uses up somebody else's allowance. All of
 * it is counted in memory: an object that restarts forgets, which gives everyone one more allowance and no more,
 * because a restart takes longer to bring about than an allowance takes to come back.
 */
import { LeakyCounts } from "../../../src/leaky-counts.ts";
import type { Claim, ClaimDecision } from "../../../src/settlement/claim.ts";
import { type Payment, isFailed, isSettled } from "../../../src/settlement/payment.ts";
import type { Claims } from "../claims.ts";

/**
 * Payments of one payer that are claimed or not settled yet. Several times what a busy agent has open: at 100 calls a
 * second and a settlement of two seconds, 200.
 */
export const IN_FLIGHT_MAX = 256;

/** Uncharged runs of one payer in a row; then one more per `RUN_FORGOTTEN_AFTER_MS`. */
export const UNCHARGED_RUNS_MAX = 60;
export const RUN_FORGOTTEN_AFTER_MS = 1_000;

/** Of these, how many may be begun before their payment was verified. */
export const ALONGSIDE_RUNS_MAX = 20;

/**
 * The same over all payers of the tenant, because keys cost nothing: whoever signs with new ones all the time can waste
 * this much, and from then on everybody's handler runs after verify, as on any other route.
 */
export const TENANT_ALONGSIDE_RUNS_MAX = 400;
const TENANT_RUN_FORGOTTEN_AFTER_MS = 100;

const RATE_LIMITED: ClaimDecision = { decision: "refused", reason: "rate_limited" };
const ALL_PAYERS = "all";

export class PayerLimits {
  readonly #claims: Claims;
  readonly #unchargedRuns = new LeakyCounts(RUN_FORGOTTEN_AFTER_MS);
  /** Runs begun before verify that are not paid for: of all payers together. */
  readonly #alongsideRuns = new LeakyCounts(TENANT_RUN_FORGOTTEN_AFTER_MS);
  /** Per payer, payments that are staged and neither settled nor failed. */
  readonly #unsettled = new Map<string, number>();

  constructor(claims: Claims) {
    this.#claims = claims;
  }

  /**
   * Whether one more payment of its payer fits, and whether its handler may run while it is verified. That run counts
   * from now on, so that one whose edge dies was counted.
   * @param wantsAlongside whether its route allows it
   */
  admit(claim: Claim, wantsAlongside: boolean, nowMs: number): ClaimDecision {
    const { payer, signatureProved } = claim;
    const runs = this.#unchargedRuns.of(payer, nowMs);
    if (runs >= UNCHARGED_RUNS_MAX) return RATE_LIMITED;
    const unsettled = this.#unsettled.get(payer) ?? 0;
    if (unsettled + this.#claims.countOfPayer(payer) >= IN_FLIGHT_MAX) {
      const proved = this.#claims.provedOfPayer(payer, nowMs).length;
      if (!signatureProved || unsettled + proved >= IN_FLIGHT_MAX) return RATE_LIMITED;
    }
    const alongside =
      wantsAlongside &&
      signatureProved &&
      runs < ALONGSIDE_RUNS_MAX &&
      this.#alongsideRuns.of(ALL_PAYERS, nowMs) < TENANT_ALONGSIDE_RUNS_MAX;
    if (alongside) {
      this.#unchargedRuns.add(payer, nowMs);
      this.#alongsideRuns.add(ALL_PAYERS, nowMs);
    }
    return { decision: "grant", claim: { ...claim, alongside } };
  }

  /**
   * A claim is given back.
   * @param handlerRanAtMs when its handler ran for nothing, for a payment that was verified; null when it did not
   */
  released({ payer, alongside }: Claim, handlerRanAtMs: number | null): void {
    if (alongside && handlerRanAtMs === null) this.#takeBack(payer);
    if (!alongside && handlerRanAtMs !== null) this.#unchargedRuns.add(payer, handlerRanAtMs);
  }

  /** A claim has become a payment: its run is to be paid for. */
  staged({ payer, alongside }: Claim, payment: Payment): void {
    if (alongside) this.#takeBack(payer);
    if (isUnsettled(payment)) this.#addUnsettled(payer, 1);
  }

  /** A payment has moved on. A settlement that failed leaves its handler's run uncharged. */
  moved(before: Payment, after: Payment, nowMs: number): void {
    const { payer } = after.authorization;
    const change = Number(isUnsettled(after)) - Number(isUnsettled(before));
    if (change !== 0) this.#addUnsettled(payer, change);
    const ranForNothing = after.direction === "incoming" && after.fulfilment === null;
    if (ranForNothing && isFailed(after) && !isFailed(before)) {
      this.#unchargedRuns.add(payer, nowMs);
    }
  }

  #takeBack(payer: string): void {
    this.#unchargedRuns.takeBack(payer);
    this.#alongsideRuns.takeBack(ALL_PAYERS);
  }

  /** After a restart there are more to settle than were counted. */
  #addUnsettled(payer: string, change: number): void {
    const count = (this.#unsettled.get(payer) ?? 0) + change;
    if (count > 0) this.#unsettled.set(payer, count);
    else this.#unsettled.delete(payer);
  }
}

function isUnsettled(payment: Payment): boolean {
  return payment.direction === "incoming" && !isSettled(payment) && !isFailed(payment);
}
