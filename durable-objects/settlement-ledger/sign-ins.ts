/**
 * Payers who sign in for an answer they have paid for: which answer that is, and that each sign-in fetches one. Every
 * statement is synchronous.
 */
import type { SignIn } from "../../src/contracts/ledger.ts";

/** Each was signed by a payer and lasts minutes: far above what payers who lost an answer need. */
const NONCES_MAX = 10_000;

export class SignIns {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Whether it can still fetch an answer. */
  isUsable({ nonce, expiresAtMs }: SignIn, nowMs: number): boolean {
    if (expiresAtMs <= nowMs) return false;
    const known = this.#sql.exec("SELECT 1 FROM sign_in_nonces WHERE nonce = ?", nonce).toArray();
    return known.length === 0 && this.#liveCount(nowMs) < NONCES_MAX;
  }

  /** Takes note that it has fetched its answer. A nonce is forgotten once its challenge has expired. */
  use({ nonce, expiresAtMs }: SignIn, nowMs: number): void {
    this.#sql.exec("DELETE FROM sign_in_nonces WHERE expires_at_ms <= ?", nowMs);
    this.#sql.exec(
      "INSERT INTO sign_in_nonces (nonce, expires_at_ms) VALUES (?, ?)",
      nonce,
      expiresAtMs,
    );
  }

  /** Id of the payer's newest settled payment for a request, if its answer is kept. */
  newestAnswer(payer: string, requestFingerprint: string): string | null {
    const row = this.#sql
      .exec<{ payment_id: string }>(
        `SELECT payment_id FROM payments WHERE payer = ? AND request_fingerprint = ?
         AND response = 'kept' AND direction = 'incoming'
         AND (state IN ('settled', 'confirmed') OR operator_ruling = 'settled')
         ORDER BY payment_id DESC LIMIT 1`,
        payer,
        requestFingerprint,
      )
      .toArray()[0];
    return row?.payment_id ?? null;
  }

  #liveCount(nowMs: number): number {
    return this.#sql
      .exec<{ count: number }>(
        "SELECT COUNT(*) AS count FROM sign_in_nonces WHERE expires_at_ms > ?",
        nowMs,
      )
      .one().count;
  }
}
