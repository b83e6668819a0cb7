import type { AlertKind } from "../../src/settlement/event.ts";
import type { AlertStore } from "./store.ts";

export interface LedgerAlert {
  readonly kind: string;
  readonly paymentId: string;
  readonly detail: string;
  readonly atMs: number;
}

/** What the engine wants a person to see, kept beside the payments it is about. */
export class AlertRows implements AlertStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  append(kind: AlertKind, paymentId: string, detail: string, nowMs: number): void {
    this.#sql.exec(
      "INSERT INTO alerts (kind, payment_id, detail, at_ms) VALUES (?, ?, ?, ?)",
      kind,
      paymentId,
      detail,
      nowMs,
    );
  }

  /** Newest first. */
  list(limit: number): LedgerAlert[] {
    return this.#sql
      .exec<{ kind: string; payment_id: string; detail: string; at_ms: number }>(
        "SELECT kind, payment_id, detail, at_ms FROM alerts ORDER BY alert DESC LIMIT ?",
        limit,
      )
      .toArray()
      .map((row) => ({
        kind: row.kind,
        paymentId: row.payment_id,
        detail: row.detail,
        atMs: row.at_ms,
      }));
  }
}
