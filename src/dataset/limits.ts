/** Every bound on datasets and queries, with its reason. Bytes are UTF-8 bytes. */

/** A Worker has 128 MB: the body, its rows as JSON text and one chunk in flight fit four times. */
export const UPLOAD_BYTES_MAX = 25_000_000;

/** Keeps one upload within a Worker's CPU time and one unindexed scan within a few hundred milliseconds. */
export const ROWS_MAX = 100_000;

/**
 * SQLite tables in Durable Objects have at most 100 columns: one is our row number, the others are left for columns
 * the platform may add (search, redaction) without refusing datasets it took before.
 */
export const COLUMNS_MAX = 90;

export const COLUMN_NAME_LENGTH_MAX = 100;

/** Durable Objects store rows and bind parameters of at most 2 MB; a row is bound as JSON text. */
export const ROW_BYTES_MAX = 1_900_000;

/** Deeper JSON would exhaust the stack of whoever writes it out again. */
export const JSON_DEPTH_MAX = 64;

/** Small enough that a chunk and one more row stay below what can be bound; large enough to load in few calls. */
export const CHUNK_BYTES_MAX = 1_000_000;

/** A load that was not committed by then is abandoned, and its rows are deleted. */
export const LOAD_DEADLINE_MS = 60 * 60 * 1_000;

export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 1_000;

/** With at most two bindings each, far below the 100 bound parameters and the expression depth of 100. */
export const PREDICATES_MAX = 20;
export const GROUP_DEPTH_MAX = 3;
export const IN_OPERANDS_MAX = 100;
export const ORDER_KEYS_MAX = 3;

/** Numbers with more significant digits than a double can tell apart stay text. */
export const SIGNIFICANT_DIGITS_MAX = 17;

/** A page ends early (with a cursor) at this size, far below the 32 MiB an RPC reply can carry. */
export const PAGE_BYTES_MAX = 4_000_000;

/** Two full scans of the largest dataset (page and count), each of which may read every row twice to sort it. */
export const SCAN_ROWS_MAX = 4 * ROWS_MAX;

/** Rows a download asks for at a time; the page size in bytes usually ends it before. */
export const DOWNLOAD_PAGE_ROWS = 10_000;

/** Of a dataset's rows, what anyone sees without paying. */
export const SAMPLE_ROWS_MAX = 5;

/** One row in so many may be in the sample: a dataset of eight rows is not given away by showing five. */
const SAMPLE_SHARE = 10;

/** JSON text of one dataset's sample: a row can be of megabytes, a free document can't. */
export const SAMPLE_BYTES_MAX = 65_536;

/** Each costs two calls of its object, and nobody pays for them. */
export const SAMPLE_DATASETS_MAX = 20;

export function sampleRowsMax(rowCount: number): number {
  return Math.min(SAMPLE_ROWS_MAX, Math.floor(rowCount / SAMPLE_SHARE));
}
