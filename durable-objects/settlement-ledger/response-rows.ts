/** Stored responses: what a payer paid for, kept until its retention ends. Bodies are cut into chunks. */
import * as z from "zod";
import type { StoredResponse } from "../../src/contracts/ledger.ts";
import type { ResponseStore } from "./store.ts";

/** Production SQLite takes values of 2 MB; 1 MiB keeps a chunk and its row well below. */
const CHUNK_BYTES = 1_048_576;

const headersSchema = z.array(z.object({ name: z.string(), value: z.string() }));

export class ResponseRows implements ResponseStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(paymentId: string, response: StoredResponse, expiresAtMs: number): void {
    this.#sql.exec(
      `INSERT INTO responses (payment_id, status, headers, body_bytes, expires_at_ms)
       VALUES (?, ?, ?, ?, ?)`,
      paymentId,
      response.status,
      JSON.stringify(response.headers),
      response.body.byteLength,
      expiresAtMs,
    );
    for (let offset = 0, chunk = 0; offset < response.body.byteLength; chunk += 1) {
      const bytes = response.body.slice(offset, offset + CHUNK_BYTES);
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
      .exec<{ status: number; headers: string; body_bytes: number }>(
        "SELECT status, headers, body_bytes FROM responses WHERE payment_id = ?",
        paymentId,
      )
      .toArray()[0];
    if (row === undefined) return null;
    const body = new Uint8Array(row.body_bytes);
    let offset = 0;
    for (const { bytes } of this.#sql.exec<{ bytes: ArrayBuffer }>(
      "SELECT bytes FROM response_chunks WHERE payment_id = ? ORDER BY chunk",
      paymentId,
    )) {
      body.set(new Uint8Array(bytes), offset);
      offset += bytes.byteLength;
    }
    if (offset !== row.body_bytes) {
      throw new Error(`stored response of ${paymentId} has ${offset} of ${row.body_bytes} bytes`);
    }
    return { status: row.status, headers: headersSchema.parse(JSON.parse(row.headers)), body };
  }

  expired(nowMs: number, limit: number): string[] {
    return this.#sql
      .exec<{ payment_id: string }>(
        "SELECT payment_id FROM responses WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?",
        nowMs,
        limit,
      )
      .toArray()
      .map((row) => row.payment_id);
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
