import type { Superseded } from "../../../src/settlement/claim.ts";
import type { SupersededStore } from "./store.ts";

type SupersededRow = {
  payment_id: string;
  identity: string;
  payload_digest: string;
  request_fingerprint: string;
  superseded_by: string;
  valid_before_ms: number;
  signature_proved: number;
};

/** Payments that an earlier one for the same request stands in for. */
export class SupersededRows implements SupersededStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(identity: string): Superseded | null {
    const row = this.#sql
      .exec<SupersededRow>("SELECT * FROM superseded WHERE identity = ?", identity)
      .toArray()[0];
    if (row === undefined) return null;
    return {
      paymentId: row.payment_id,
      identity: row.identity,
      payloadDigest: row.payload_digest,
      requestFingerprint: row.request_fingerprint,
      supersededBy: row.superseded_by,
      validBeforeMs: row.valid_before_ms,
      signatureProved: row.signature_proved === 1,
    };
  }

  put(superseded: Superseded, nowMs: number): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO superseded
        (identity, payment_id, payload_digest, request_fingerprint, superseded_by, at_ms,
         valid_before_ms, signature_proved)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      superseded.identity,
      superseded.paymentId,
      superseded.payloadDigest,
      superseded.requestFingerprint,
      superseded.supersededBy,
      nowMs,
      superseded.validBeforeMs,
      superseded.signatureProved ? 1 : 0,
    );
  }

  removeLapsed(validBeforeMs: number, limit: number): number {
    return this.#sql
      .exec(
        `DELETE FROM superseded WHERE identity IN (
           SELECT s.identity FROM superseded s
           LEFT JOIN payments p ON p.payment_id = s.superseded_by
             AND p.state IN ('staged', 'settling', 'unknown')
           WHERE s.valid_before_ms <= ? AND p.payment_id IS NULL
           ORDER BY s.valid_before_ms, s.identity LIMIT ?
         ) RETURNING identity`,
        validBeforeMs,
        limit,
      )
      .toArray().length;
  }
}
