import type { JsonValue } from "../payment/wire.ts";
import type { DatasetFailure } from "./dataset-error.ts";

/**
 * Sees each record once, in order; its cells stand at the positions of the header, which may still grow. The row is
 * 1-based and counts the header. A failure ends the reading.
 */
export type RecordVisitor = (cells: readonly JsonValue[], row: number) => DatasetFailure | null;

/** The header as it is in the file, known when all records were seen. */
export type ReadResult = { readonly ok: true; readonly header: readonly string[] } | DatasetFailure;
