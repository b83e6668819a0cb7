/**
 * Stored responses: what a payer paid for, kept until its retention ends. Bodies are cut into chunks; of one that
 * lies in the bucket, only its reference is here.
 */
import * as z from "zod";
import type { StoredResponse } from "../../src/contracts/ledger.ts";
import type { ExpiredResponse, ResponseStore } from "./store.ts";

/** Production SQLite takes values of 2 MB; 1 MiB keeps a chunk and its row well below. */
const CHUNK_BYTES = 1_048_576;

const headersSchema = z.array(z.object({ name: z.string(), value: z.string() }));

type ResponseRow = {
  status: number;
  headers: string;
  body_bytes: number;
  object_key: string | null;
  object_sha256: string | null;
};

export class ResponseRows implements ResponseStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(paymentId: string, { status, headers, body }: StoredResponse, expiresAtMs: number): void {
    const isInRows = body instanceof Uint8Array;
    this.#sql.exec(
      `INSERT INTO responses
        (payment_id, status, headers, body_bytes, expires_at_ms, object_key, object_sha256)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      paymentId,
      status,
      JSON.stringify(headers),
      isInRows ? body.byteLength : body.bytes,
      expiresAtMs,
      isInRows ? null : body.key,
      isInRows ? null : body.sha256,
    );
    if (!isInRows) return;
    for (let offset = 0, chunk = 0; offset < body.byteLength; chunk += 1) {
      const bytes = body.slice(offset, offset + CHUNK_BYTES);
      this.#sql.exec(
        "INSERT INTO response_chunks (payment_id, chunk, bytes) VALUES (?, ?, ?)",
        paymentId,
        chunk,
        bytes,
      );
      offset += CHUNK_BYTES;
    }
  }

  /** @throws when a chunk is missing: the stored answer would not be the one that was paid for. */
  get(paymentId: string): StoredResponse | null {
    const row = this.#sql
      .exec<ResponseRow>(
        `SELECT status, headers, body_bytes, object_key, object_sha256
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
          ? this.#readChunks(paymentId, row.body_bytes)
          : { key: row.object_key, bytes: row.body_bytes, sha256: row.object_sha256 },
    };
  }

  #readChunks(paymentId: string, bodyBytes: number): Uint8Array {
    const body = new Uint8Array(bodyBytes);
    let offset = 0;
    for (const { bytes } of this.#sql.exec<{ bytes: ArrayBuffer }>(
      "SELECT bytes FROM response_chunks WHERE payment_id = ? ORDER BY chunk",
      paymentId,
    )) {
      body.set(new Uint8Array(bytes), offset);
      offset += bytes.byteLength;
    }
    if (offset !== bodyBytes) {
      throw new Error(`stored response of ${paymentId} has ${offset} of ${bodyBytes} bytes`);
    }
    return body;
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
