import type { Suspension } from "../../../src/contracts/usage.ts";

type Row = { reason: string; by: string | null; since_ms: number; until_ms: number | null };

/** The flag that stops new payments: one row while the tenant is suspended, and a copy of it in memory. */
export class SuspensionRow {
  readonly #sql: SqlStorage;
  #suspension: Suspension | null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    const [row] = sql
      .exec<Row>("SELECT reason, suspended_by AS by, since_ms, until_ms FROM suspension")
      .toArray();
    this.#suspension =
      row === undefined
        ? null
        : { reason: row.reason, by: row.by, sinceMs: row.since_ms, untilMs: row.until_ms };
  }

  /** Null when there is none, or it has ended by itself. */
  at(nowMs: number): Suspension | null {
    const suspension = this.#suspension;
    return suspension !== null && (suspension.untilMs ?? Infinity) > nowMs ? suspension : null;
  }

  put(suspension: Suspension): void {
    const { reason, by, sinceMs, untilMs } = suspension;
    this.#sql.exec(
      `INSERT OR REPLACE INTO suspension (only, reason, suspended_by, since_ms, until_ms)
       VALUES (1, ?, ?, ?, ?)`,
      reason,
      by,
      sinceMs,
      untilMs,
    );
    this.#suspension = suspension;
  }

  remove(): void {
    this.#sql.exec("DELETE FROM suspension");
    this.#suspension = null;
  }
}
