/**
 * Payments as operators see them. Read only, and never what could be used to pay: neither a signature nor what
 * facilitators are sent leaves the ledger.
 */
import type {
  AdminPayment,
  AdminPaymentList,
  PaymentInspection,
  PaymentListQuery,
} from "../../src/contracts/admin-payments.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import type { ShownState } from "../../src/settlement/fulfilment.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import type { Refunds } from "./outgoing/refunds.ts";
import type { SqlStore } from "./store/sql-store.ts";

/** Upfront payments are called by what became of them once they are settled. */
const UPFRONT = "fulfilment IS NOT NULL AND state IN ('settled', 'confirmed')";
const UNUSUAL = "state IN ('staged', 'unknown', 'failed', 'expired')";

/**
 * Conditions that SQLite can answer from an index: of a partial one, its own condition has to be written out. Whatever
 * is in flight is due; nearly all others are confirmed, so that a page of those is soon full.
 */
const STATE_CONDITIONS: Readonly<Record<ShownState, string>> = {
  staged: `${UNUSUAL} AND state = 'staged'`,
  settling: `payment_id IN (SELECT payment_id FROM payments WHERE due_at_ms > 0)
    AND state = 'settling'`,
  unknown: `${UNUSUAL} AND state = 'unknown'`,
  settled: "state = 'settled'",
  confirmed: "state = 'confirmed'",
  failed: `${UNUSUAL} AND state = 'failed'`,
  expired: `${UNUSUAL} AND state = 'expired'`,
  settled_unfulfilled: `${UPFRONT} AND fulfilment = 'pending'`,
  fulfilled: `${UPFRONT} AND fulfilment = 'fulfilled'`,
  paid_undelivered: `${UPFRONT} AND fulfilment = 'undelivered'`,
};

type RequestRow = { route_path: string; method: string; url: string };
type EntryRow = {
  posting: number;
  kind: string;
  account: string;
  amount_atomic: string;
  at_ms: number;
};

export class OperatorView {
  readonly #store: SqlStore;
  readonly #sql: SqlStorage;
  readonly #refunds: Refunds;

  constructor(store: SqlStore, sql: SqlStorage, refunds: Refunds) {
    this.#store = store;
    this.#sql = sql;
    this.#refunds = refunds;
  }

  /** The cursor is the last payment id of the page before. */
  list({ state, claimedUntilMs, cursor, limit }: PaymentListQuery): AdminPaymentList {
    const condition = state === null ? "TRUE" : STATE_CONDITIONS[state];
    const ids = this.#sql
      .exec<{ payment_id: string }>(
        `SELECT payment_id FROM payments
         WHERE ${condition} AND claimed_at_ms <= ?1 AND (?2 IS NULL OR payment_id < ?2)
         ORDER BY payment_id DESC LIMIT ?3`,
        claimedUntilMs ?? Number.MAX_SAFE_INTEGER,
        cursor,
        limit + 1,
      )
      .toArray()
      .map((row) => row.payment_id);
    const shown = ids.slice(0, limit);
    return {
      payments: shown.flatMap((paymentId) => this.payment(paymentId) ?? []),
      nextCursor: ids.length > limit ? (shown.at(-1) ?? null) : null,
    };
  }

  payment(paymentId: string): AdminPayment | null {
    const payment = this.#store.payments.byId(paymentId);
    return payment === null ? null : this.#summary(payment);
  }

  inspect(paymentId: string): PaymentInspection | null {
    const payment = this.#store.payments.byId(paymentId);
    if (payment === null) return null;
    const { authorization, evidence } = payment;
    return {
      ...this.#summary(payment),
      nonce: authorization.nonce,
      validAfterMs: authorization.validAfterMs,
      validBeforeMs: authorization.validBeforeMs,
      boundFacilitatorId: payment.boundFacilitatorId,
      attempts: payment.attempts.map(({ outcome, ...attempt }) => ({
        ...attempt,
        outcome: outcome === null ? null : outcomeView(outcome),
      })),
      evidence:
        evidence === null ? null : { ...evidence, blockNumber: String(evidence.blockNumber) },
      refund: this.#refunds.latestOf(paymentId),
      response: payment.response,
      answeredAtMs: payment.answeredAtMs,
      chainCheckedAtMs: payment.chainCheckedAtMs,
      ruledAtMs: payment.ruling?.atMs ?? null,
      postings: this.#postings(paymentId),
      alerts: this.#store.alerts.ofPayment(paymentId),
    };
  }

  #summary(payment: Payment): AdminPayment {
    const { authorization } = payment;
    const request = this.#sql
      .exec<RequestRow>(
        "SELECT route_path, method, url FROM payments WHERE payment_id = ?",
        payment.paymentId,
      )
      .one();
    return {
      paymentId: payment.paymentId,
      direction: payment.direction,
      refundOf: payment.refundOf?.id ?? null,
      state: payment.state,
      fulfilment: payment.fulfilment?.state ?? null,
      route: request.route_path,
      method: request.method,
      url: request.url,
      network: authorization.network,
      asset: authorization.asset,
      payer: authorization.payer,
      payTo: authorization.payee,
      amountAtomic: String(authorization.amountAtomic),
      feeAtomic: String(payment.feeAtomic),
      transaction: payment.transaction,
      failure: payment.failure,
      operatorRuling: payment.ruling?.resolution ?? null,
      attemptCount: payment.attempts.length,
      retryCount: payment.retryCount,
      dueAtMs: payment.dueAtMs,
      claimedAtMs: payment.claimedAtMs,
      settledAtMs: payment.settledAtMs,
      confirmedAtMs: payment.confirmedAtMs,
    };
  }

  #postings(paymentId: string): PaymentInspection["postings"] {
    const rows = this.#sql
      .exec<EntryRow>(
        `SELECT posting, kind, account, amount_atomic, at_ms FROM journal
         WHERE source_id = ? ORDER BY posting, account`,
        paymentId,
      )
      .toArray();
    return [...Map.groupBy(rows, ({ posting }) => posting).values()].flatMap((entries) => {
      const [first] = entries;
      if (first === undefined) return [];
      return {
        posting: first.posting,
        kind: first.kind,
        atMs: first.at_ms,
        entries: entries.map((row) => ({ account: row.account, amountAtomic: row.amount_atomic })),
      };
    });
  }
}

function outcomeView(
  outcome: SettleOutcome,
): NonNullable<PaymentInspection["attempts"][number]["outcome"]> {
  return {
    class: outcome.class,
    reason: "reason" in outcome ? outcome.reason : null,
    transaction: "transaction" in outcome ? outcome.transaction : null,
  };
}
