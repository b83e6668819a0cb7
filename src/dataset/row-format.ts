import type { Cell, Row } from "../contracts/dataset.ts";
import type { Column } from "../contracts/snapshot.ts";
import type { DatasetFormat } from "./dataset-format.ts";

/** How rows become a body: `open`, the rows with `between` them, `close`. The same rows give the same bytes. */
export interface RowFormat {
  readonly contentType: string;
  readonly open: string;
  readonly row: (cells: Row) => string;
  readonly between: string;
  readonly close: string;
}

const FORMATS: Readonly<Record<DatasetFormat, (columns: readonly Column[]) => RowFormat>> = {
  json: (columns) => {
    const row = objectWriter(columns);
    return { contentType: "application/json", open: "[", row, between: ",", close: "]" };
  },
  ndjson: (columns) => {
    const write = objectWriter(columns);
    const row = (cells: Row): string => `${write(cells)}\n`;
    return { contentType: "application/x-ndjson", open: "", row, between: "", close: "" };
  },
  csv: (columns) => {
    const open = csvLine(columns.map(({ name }) => csvField(name)));
    const row = (cells: Row): string =>
      csvLine(cells.map((cell, index) => csvCell(cell, columns[index])));
    const contentType = "text/csv; charset=utf-8; header=present";
    return { contentType, open, row, between: "", close: "" };
  },
};

/** @param columns those of the rows, in their order. */
export function rowFormat(format: DatasetFormat, columns: readonly Column[]): RowFormat {
  return FORMATS[format](columns);
}

/** A body of these rows. */
export function formatRows(format: RowFormat, rows: readonly Row[]): string {
  return format.open + rows.map(format.row).join(format.between) + format.close;
}

function objectWriter(columns: readonly Column[]): (cells: Row) => string {
  const names = columns.map(({ name }) => `${JSON.stringify(name)}:`);
  return (cells) => {
    const members = cells.map(
      (cell, index) => (names[index] ?? "") + jsonCell(cell, columns[index]),
    );
    return `{${members.join(",")}}`;
  };
}

function jsonCell(cell: Cell, column: Column | undefined): string {
  if (cell === null) return "null";
  if (column?.type === "boolean") return cell === 1 ? "true" : "false";
  return column?.type === "json" ? String(cell) : JSON.stringify(cell);
}

function csvCell(cell: Cell, column: Column | undefined): string {
  if (cell === null) return "";
  if (column?.type === "boolean") return cell === 1 ? "true" : "false";
  return csvField(String(cell));
}

/** A line that would be blank has quotes instead: blank lines are not rows. */
function csvLine(fields: readonly string[]): string {
  const line = fields.join(",");
  return `${line === "" ? '""' : line}\r\n`;
}

/** Quoted when it must be, and when empty, for CSV's nothing is null. */
function csvField(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
