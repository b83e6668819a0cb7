import { Buffer } from "node:buffer";
import { CHUNK_BYTES_MAX } from "./limits.ts";

/**
 * Rows as JSON texts of at most `CHUNK_BYTES_MAX` bytes (or one larger row): a fraction of the memory that arrays of
 * cells take, and the form in which a DatasetStore is loaded.
 */
export class RowChunks {
  readonly #chunks: string[] = [];
  #rows: string[] = [];
  #bytes = 0;

  /** @param row JSON text of an array. */
  push(row: string): void {
    const bytes = Buffer.byteLength(row) + 1;
    if (this.#bytes + bytes > CHUNK_BYTES_MAX) this.#flush();
    this.#rows.push(row);
    this.#bytes += bytes;
  }

  /** Hands the chunks over, in order; nothing can be pushed afterwards. */
  finish(): string[] {
    this.#flush();
    return this.#chunks;
  }

  #flush(): void {
    if (this.#rows.length === 0) return;
    this.#chunks.push(`[${this.#rows.join(",")}]`);
    this.#rows = [];
    this.#bytes = 0;
  }
}
