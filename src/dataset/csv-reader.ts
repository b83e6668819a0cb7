import { Buffer } from "node:buffer";
import { CsvError, parse } from "csv-parse/sync";
import { datasetFailure, type DatasetFailure } from "./dataset-error.ts";
import type { ReadResult, RecordVisitor } from "./record-reader.ts";
import { findInvalidUtf8Line, withoutByteOrderMark } from "./utf8.ts";

const DELIMITERS = [",", ";", "\t", "|"] as const;
const QUOTE = 0x22;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Ends the parse from within its callback; the failure itself is kept beside it. */
class StopReading extends Error {}

/**
 * Reads RFC 4180 text with any of the usual delimiters and line ends; the first record is the header, blank lines are
 * skipped. Every record must have as many fields as the header.
 */
export function readCsv(bytes: Uint8Array, visit: RecordVisitor): ReadResult {
  const invalidLine = findInvalidUtf8Line(bytes);
  if (invalidLine !== null) return notUtf8(bytes, invalidLine);
  const body = withoutByteOrderMark(bytes);
  let header: string[] | null = null;
  let row = 0;
  let failure: DatasetFailure | null = null;
  const onRecord = (fields: string[]): null => {
    row += 1;
    if (header === null) {
      header = fields;
      return null;
    }
    failure = fields.length === header.length ? visit(fields, row) : ragged(fields, header, row);
    if (failure !== null) throw new StopReading();
    return null;
  };
  try {
    parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength), {
      delimiter: sniffDelimiter(body),
      record_delimiter: ["\r\n", "\n", "\r"],
      skip_empty_lines: true,
      // Raggedness is ours to report, with our row number.
      relax_column_count: true,
      // Null keeps the records from piling up in memory.
      on_record: onRecord,
    });
  } catch (error) {
    if (error instanceof StopReading && failure !== null) return failure;
    if (error instanceof CsvError) return invalidCsv(error, row + 1);
    throw error;
  }
  return { ok: true, header: header ?? [] };
}

/** The delimiter seen most often in the header, outside quotes; the comma when there is none. */
function sniffDelimiter(bytes: Uint8Array): string {
  const counts = new Map(DELIMITERS.map((delimiter) => [delimiter.charCodeAt(0), 0]));
  let isQuoted = false;
  for (const byte of bytes) {
    if (byte === QUOTE) isQuoted = !isQuoted;
    if (isQuoted) continue;
    if (byte === LINE_FEED || byte === CARRIAGE_RETURN) break;
    const count = counts.get(byte);
    if (count !== undefined) counts.set(byte, count + 1);
  }
  let [best, bestCount] = [",", 0];
  for (const delimiter of DELIMITERS) {
    const count = counts.get(delimiter.charCodeAt(0)) ?? 0;
    if (count > bestCount) [best, bestCount] = [delimiter, count];
  }
  return best;
}

function notUtf8(bytes: Uint8Array, line: number): DatasetFailure {
  const isUtf16 =
    (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const found = isUtf16 ? "the file is UTF-16" : `line ${line} has bytes that are not UTF-8`;
  return datasetFailure("not_utf8", `${found}: save the file as UTF-8`, { row: line });
}

function ragged(fields: readonly string[], header: readonly string[], row: number): DatasetFailure {
  const message = `row ${row} has ${fields.length} fields, the header has ${header.length}`;
  return datasetFailure("ragged_row", message, { row });
}

function invalidCsv(error: CsvError, row: number): DatasetFailure {
  const message = `row ${row} is not valid CSV: ${explainCsvError(error)}`;
  return datasetFailure("invalid_csv", message, { row });
}

function explainCsvError(error: CsvError): string {
  switch (error.code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return "a quoted field is never closed";
    case "INVALID_OPENING_QUOTE":
      return 'a quote inside an unquoted field; write "a ""b"" c"';
    case "CSV_INVALID_CLOSING_QUOTE":
      return 'text after a closing quote; a quote inside quotes is written ""';
    default:
      return error.message;
  }
}
