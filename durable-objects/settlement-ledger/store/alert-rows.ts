import type {
  AlertListQuery,
  LedgerAlert,
  LedgerAlertList,
} from "../../../src/contracts/admin-payments.ts";
import type { AlertKind } from "../../../src/settlement/event.ts";
import type { AlertStore } from "./store.ts";

/** What a ledger can alert about: its payments, and itself. */
export type LedgerAlertKind =
  | AlertKind
  /** The deposit account does not hold what the books say. */
  | "deposit_mismatch"
  /** Money came in that is no payment: it is booked as unclaimed, to be given back. */
  | "unclaimed_deposit"
  /** A budget of the tenant's is used to the percentage at which operators are told. */
  | "budget_warning"
  | "budget_spent"
  /** The tenant's code uses more within a minute than is believed to be meant. */
  | "runaway_suspected"
  /** The platform has suspended the tenant by itself. */
  | "tenant_suspended";

type AlertRow = {
  alert: number;
  kind: string;
  payment_id: string | null;
  detail: string;
  at_ms: number;
};

const SELECT_ALERT = "SELECT alert, kind, payment_id, detail, at_ms FROM alerts";

/** A page of alerts about one payment is all there ever is: a payment raises a handful. */
const ALERTS_OF_PAYMENT_MAX = 50;

/**
 * What the engine wants a person to see, kept beside the payments it is about. Written in the transaction that raises
 * it, and forwarded to the platform's alerts afterwards (`alert-forwarding.ts`), so that none is lost between the two.
 */
export class AlertRows implements AlertStore {
  readonly #sql: SqlStorage;
  readonly #wakeAt: (atMs: number) => void;

  /** @param wakeAt makes sure that the alarm fires then, to forward what was appended */
  constructor(sql: SqlStorage, wakeAt: (atMs: number) => void) {
    this.#sql = sql;
    this.#wakeAt = wakeAt;
  }

  append(kind: LedgerAlertKind, paymentId: string | null, detail: string, nowMs: number): void {
    this.#sql.exec(
      "INSERT INTO alerts (kind, payment_id, detail, at_ms, forward_at_ms) VALUES (?, ?, ?, ?, ?)",
      kind,
      paymentId,
      detail,
      nowMs,
      nowMs,
    );
    this.#wakeAt(nowMs);
  }

  /** Newest first. The cursor is the number of the last alert of the page before. */
  list({ beforeAlert, limit }: AlertListQuery): LedgerAlertList {
    const rows = this.#all(
      `${SELECT_ALERT} WHERE alert < ? ORDER BY alert DESC LIMIT ?`,
      beforeAlert ?? Number.MAX_SAFE_INTEGER,
      limit + 1,
    );
    const alerts = rows.slice(0, limit);
    return {
      alerts,
      nextCursor: rows.length > limit ? `${alerts.at(-1)?.alert ?? ""}` : null,
    };
  }

  /** Newest first. */
  ofPayment(paymentId: string): LedgerAlert[] {
    return this.#all(
      `${SELECT_ALERT} WHERE payment_id = ? ORDER BY alert DESC LIMIT ?`,
      paymentId,
      ALERTS_OF_PAYMENT_MAX,
    );
  }

  /** Those that are due to be forwarded, oldest first. */
  waiting(nowMs: number, limit: number): LedgerAlert[] {
    return this.#all(
      `${SELECT_ALERT} WHERE forward_at_ms <= ? ORDER BY alert LIMIT ?`,
      nowMs,
      limit,
    );
  }

  /** When the next one is due to be forwarded; null when all are. */
  nextForwardAtMs(): number | null {
    return this.#sql
      .exec<{ at_ms: number | null }>(
        "SELECT MIN(forward_at_ms) AS at_ms FROM alerts WHERE forward_at_ms IS NOT NULL",
      )
      .one().at_ms;
  }

  /** @param atMs when to forward them; null: they are there */
  setForwardAt(alerts: readonly LedgerAlert[], atMs: number | null): void {
    for (const { alert } of alerts) {
      this.#sql.exec("UPDATE alerts SET forward_at_ms = ? WHERE alert = ?", atMs, alert);
    }
  }

  #all(query: string, ...bindings: (string | number)[]): LedgerAlert[] {
    return this.#sql
      .exec<AlertRow>(query, ...bindings)
      .toArray()
      .map(({ payment_id: paymentId, at_ms: atMs, ...row }) => ({ ...row, paymentId, atMs }));
  }
}
