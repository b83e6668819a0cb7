/**
 * From the bytes of a CSV, JSON or NDJSON file to typed columns and rows. The file is read once: its rows wait as JSON
 * text while every value is looked at, and are converted when the types are known. Nothing is guessed from a sample.
 */
import type { Column, ColumnType } from "../contracts/snapshot.ts";
import { ColumnStatistics, type Inference } from "./column-statistics.ts";
import { convertRows, type ColumnPlan } from "./convert-rows.ts";
import { readCsv } from "./csv-reader.ts";
import { datasetFailure, type DatasetFailure, type UploadProblem } from "./dataset-error.ts";
import type { DatasetFormat } from "./dataset-format.ts";
import { publishNames } from "./header.ts";
import { readJson } from "./json-reader.ts";
import { COLUMNS_MAX, ROWS_MAX, UPLOAD_BYTES_MAX } from "./limits.ts";
import type { RecordVisitor } from "./record-reader.ts";
import { RowChunks } from "./row-chunks.ts";

export interface ParseOptions {
  /** Declared types by published or source name of the column; they win over what the values look like. */
  readonly types?: Readonly<Record<string, ColumnType>>;
  /** What the owner may have, where that is less than the most that anybody may. */
  readonly bytesMax?: number;
  readonly rowsMax?: number;
}

export interface ParsedDataset {
  readonly columns: readonly Column[];
  readonly rowCount: number;
  /** JSON texts of arrays of rows in stored form, ready for a DatasetStore. */
  readonly chunks: readonly string[];
  /** Rows of the file before the first record: what tells a row's number in the file from its number here. */
  readonly headerRows: 0 | 1;
  /** What the owner should know though nothing is wrong: renamed columns, mixed types. */
  readonly problems: readonly UploadProblem[];
}

export type ParseResult = { readonly ok: true; readonly dataset: ParsedDataset } | DatasetFailure;

/** Parses a whole file; every failure names the row and column where it can. */
export function parseDataset(
  bytes: Uint8Array,
  format: DatasetFormat,
  options: ParseOptions = {},
): ParseResult {
  const bytesMax = Math.min(options.bytesMax ?? UPLOAD_BYTES_MAX, UPLOAD_BYTES_MAX);
  if (bytes.length > bytesMax) {
    const message = `the file has ${bytes.length} bytes, one upload at most ${bytesMax}`;
    return datasetFailure("dataset_too_large", message);
  }
  const isText = format === "csv";
  const spool = new RowSpool(isText, Math.min(options.rowsMax ?? ROWS_MAX, ROWS_MAX));
  const types = Object.entries(options.types ?? {});
  const jsonNames = new Set(types.flatMap(([name, type]) => (type === "json" ? [name] : [])));
  const read = isText
    ? readCsv(bytes, spool.visit)
    : readJson(bytes, format, jsonNames, spool.visit);
  if (!read.ok) return read;
  const { header } = read;
  if (header.length > COLUMNS_MAX) return tooManyColumns(header.length);
  if (spool.rowCount === 0 || header.length === 0) {
    return datasetFailure("empty_dataset", "the file has no rows");
  }
  const { names, problems: renames } = publishNames(header);
  const plan = planColumns(names, header, spool, types);
  if (!plan.ok) return plan;
  const converted = convertRows(spool.finish(), plan.columns, isText);
  if (!converted.ok) return converted;
  return {
    ok: true,
    dataset: {
      columns: plan.columns.map(({ name, type, nullable }) => ({ name, type, nullable })),
      rowCount: spool.rowCount,
      chunks: converted.chunks,
      headerRows: isText ? 1 : 0,
      problems: [...renames, ...plan.problems],
    },
  };
}

/** Keeps what a reader sees until the types are known. */
class RowSpool {
  rowCount = 0;
  readonly #statistics: ColumnStatistics[] = [];
  readonly #isText: boolean;
  readonly #rowsMax: number;
  readonly #rows = new RowChunks();

  constructor(isText: boolean, rowsMax: number) {
    this.#isText = isText;
    this.#rowsMax = rowsMax;
  }

  readonly visit: RecordVisitor = (cells, row) => {
    if (this.rowCount >= this.#rowsMax) {
      const message = `the file has more than ${this.#rowsMax} rows, the most one upload can have`;
      return datasetFailure("too_many_rows", message, { row });
    }
    // Refused here already, because statistics and rows of thousands of columns would fill the memory.
    if (cells.length > COLUMNS_MAX) return tooManyColumns(cells.length);
    this.rowCount += 1;
    for (const [position, cell] of cells.entries()) {
      this.#column(position).observe(cell, row);
    }
    this.#rows.push(JSON.stringify([row, ...cells]));
    return null;
  };

  infer(position: number): Inference {
    return this.#column(position).infer(this.rowCount);
  }

  /** The rows, each with its number in the file before its cells. */
  finish(): string[] {
    return this.#rows.finish();
  }

  #column(position: number): ColumnStatistics {
    return (this.#statistics[position] ??= new ColumnStatistics(this.#isText));
  }
}

type Plan =
  | {
      readonly ok: true;
      readonly columns: readonly ColumnPlan[];
      readonly problems: readonly UploadProblem[];
    }
  | DatasetFailure;

function planColumns(
  names: readonly string[],
  header: readonly string[],
  spool: RowSpool,
  types: readonly (readonly [string, ColumnType])[],
): Plan {
  const declared = new Map<number, ColumnType>();
  for (const [name, type] of types) {
    const position = names.includes(name) ? names.indexOf(name) : header.indexOf(name);
    if (position === -1) return unknownColumn(name, names);
    declared.set(position, type);
  }
  const problems: UploadProblem[] = [];
  const columns = names.map((name, position): ColumnPlan => {
    const inference = spool.infer(position);
    const type = declared.get(position);
    if (type === undefined) {
      if (inference.remark !== null) problems.push({ column: name, ...inference.remark });
      return {
        name,
        type: inference.type,
        nullable: inference.nullable,
        isBlank: inference.isBlank,
      };
    }
    // A blank column can only be text; declared as anything else, its cells are nulls.
    const isBlank = inference.isBlank && type === "string";
    const nullable = inference.nullable || (inference.isBlank && !isBlank);
    return { name, type, nullable, isBlank };
  });
  return { ok: true, columns, problems };
}

/** The failure for a name that the dataset does not have. */
export function unknownColumn(name: string, names: readonly string[]): DatasetFailure {
  const message = `there is no column "${name}"; the columns are ${names.join(", ")}`;
  return datasetFailure("unknown_column", message, { column: name });
}

function tooManyColumns(count: number): DatasetFailure {
  const message = `the file has ${count} columns or more, a dataset at most ${COLUMNS_MAX}`;
  return datasetFailure("too_many_columns", message);
}
