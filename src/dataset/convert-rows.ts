import { Buffer } from "node:buffer";
import type { Cell } from "../contracts/dataset.ts";
import type { Column } from "../contracts/snapshot.ts";
import type { JsonValue } from "../payment/wire.ts";
import { cellOfText, cellOfValue } from "./cell.ts";
import { datasetFailure, type DatasetFailure } from "./dataset-error.ts";
import { ROW_BYTES_MAX } from "./limits.ts";
import { RowChunks } from "./row-chunks.ts";

export interface ColumnPlan extends Column {
  /** Empty cells stay empty texts: the column has nothing else. */
  readonly isBlank: boolean;
}

type ConvertResult = { readonly ok: true; readonly chunks: string[] } | DatasetFailure;

/**
 * Converts rows (arrays of the row's number in the file and its cells) to rows in stored form.
 * @param chunks are emptied one by one, so that source and result are never held in full together.
 * @param isText the source has no types of its own (CSV).
 */
export function convertRows(
  chunks: string[],
  columns: readonly ColumnPlan[],
  isText: boolean,
): ConvertResult {
  const converted = new RowChunks();
  for (const [position, chunk] of chunks.entries()) {
    chunks[position] = "";
    const rows: [number, ...JsonValue[]][] = JSON.parse(chunk);
    for (const [row, ...sourceCells] of rows) {
      const cells: Cell[] = [];
      for (const [index, column] of columns.entries()) {
        const source = sourceCells[index] ?? null;
        const cell = isText ? convertText(source, column) : cellOfValue(source, column.type);
        const failure = checkCell(cell, source, column, row);
        if (failure !== null) return failure;
        cells.push(cell ?? null);
      }
      const text = JSON.stringify(cells);
      const bytes = Buffer.byteLength(text);
      if (bytes > ROW_BYTES_MAX) {
        const message = `row ${row} has ${bytes} bytes, at most ${ROW_BYTES_MAX} can be stored`;
        return datasetFailure("row_too_large", message, { row });
      }
      converted.push(text);
    }
  }
  return { ok: true, chunks: converted.finish() };
}

function convertText(source: JsonValue, column: ColumnPlan): Cell | undefined {
  if (source === null || typeof source !== "string") return null;
  if (source === "" && !column.isBlank) return null;
  return cellOfText(source, column.type);
}

function checkCell(
  cell: Cell | undefined,
  source: JsonValue,
  column: ColumnPlan,
  row: number,
): DatasetFailure | null {
  const place = { column: column.name, row };
  if (cell === undefined) {
    const value = JSON.stringify(source).slice(0, 80);
    const message = `row ${row}: ${value} is not of the declared type ${column.type}`;
    return datasetFailure("type_mismatch", message, place);
  }
  // SQLite's text functions end at a null character, and a lone surrogate has no UTF-8.
  if (typeof cell === "string" && (cell.includes("\0") || !cell.isWellFormed())) {
    const message = `row ${row}: the text has a null character or half of a surrogate pair`;
    return datasetFailure("invalid_text", message, place);
  }
  return null;
}
