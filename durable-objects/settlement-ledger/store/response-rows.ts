/**
 * Stored responses: what a payer paid for, kept until its retention ends. A body is in its response's row, or lies in
 * the bucket, and then only its reference is here.
 */
import * as z from "zod";
import type { StoredResponse } from "../../../src/contracts/ledger.ts";
import type { ExpiredResponse, ResponseStore } from "./store.ts";

const headersSchema = z.array(z.object({ name: z.string(), value: z.string() }));

type ResponseRow = {
  status: number;
  headers: string;
  body_bytes: number;
  body: ArrayBuffer | null;
  object_key: string | null;
  object_sha256: string | null;
  receipt_url: string | null;
};

export class ResponseRows implements ResponseStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(paymentId: string, response: StoredResponse, expiresAtMs: number): void {
    const { status, headers, body, receiptUrl } = response;
    const isInRow = body instanceof Uint8Array;
    this.#sql.exec(
      `INSERT INTO responses
        (payment_id, status, headers, body, body_bytes, expires_at_ms, object_key, object_sha256,
         receipt_url)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      paymentId,
      status,
      JSON.stringify(headers),
      isInRow ? body : null,
      isInRow ? body.byteLength : body.bytes,
      expiresAtMs,
      isInRow ? null : body.key,
      isInRow ? null : body.sha256,
      receiptUrl ?? null,
    );
  }

  /** @throws when the body is not whole: the stored answer would not be the one that was paid for. */
  get(paymentId: string): StoredResponse | null {
    const row = this.#sql
      .exec<ResponseRow>(
        `SELECT status, headers, body, body_bytes, object_key, object_sha256, receipt_url
         FROM responses WHERE payment_id = ?`,
        paymentId,
      )
      .toArray()[0];
    if (row === undefined) return null;
    return {
      status: row.status,
      headers: headersSchema.parse(JSON.parse(row.headers)),
      body:
        row.object_key === null || row.object_sha256 === null
          ? wholeBody(paymentId, row)
          : { key: row.object_key, bytes: row.body_bytes, sha256: row.object_sha256 },
      ...(row.receipt_url === null ? {} : { receiptUrl: row.receipt_url }),
    };
  }

  expired(nowMs: number, limit: number): ExpiredResponse[] {
    return this.#sql
      .exec<{ payment_id: string; object_key: string | null }>(
        `SELECT payment_id, object_key FROM responses
         WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?`,
        nowMs,
        limit,
      )
      .toArray()
      .map((row) => ({ paymentId: row.payment_id, objectKey: row.object_key }));
  }

  nextExpiryAtMs(): number | null {
    return this.#sql
      .exec<{ expires_at_ms: number | null }>(
        "SELECT MIN(expires_at_ms) AS expires_at_ms FROM responses",
      )
      .one().expires_at_ms;
  }

  remove(paymentId: string): void {
    this.#sql.exec("DELETE FROM responses WHERE payment_id = ?", paymentId);
  }

  extend(paymentId: string, expiresAtMs: number): void {
    this.#sql.exec(
      "UPDATE responses SET expires_at_ms = ? WHERE payment_id = ?",
      expiresAtMs,
      paymentId,
    );
  }
}

function wholeBody(paymentId: string, { body, body_bytes: bytes }: ResponseRow): Uint8Array {
  if (body?.byteLength !== bytes) {
    throw new Error(
      `stored response of ${paymentId} has ${body?.byteLength ?? 0} of ${bytes} bytes`,
    );
  }
  return new Uint8Array(body);
}
