import { datasetFailure, type DatasetFailure } from "./dataset-error.ts";

/** Sees the text of one record; a failure ends the scan. */
export type RecordTextVisitor = (text: Uint8Array, row: number) => DatasetFailure | null;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const LINE_FEED = 0x0a;

/**
 * Cuts a JSON array into its elements without parsing it whole, which would take many times its size in memory. Only
 * ASCII bytes matter here, and in UTF-8 they never occur inside another character. What an element is worth, its own
 * parse tells.
 */
export function scanJsonArray(bytes: Uint8Array, visit: RecordTextVisitor): DatasetFailure | null {
  let position = skipWhitespace(bytes, 0);
  if (bytes[position] !== OPENING_BRACKET) return invalid("the file must be an array of objects");
  position += 1;
  let [start, depth, row, isString] = [position, 0, 0, false];
  for (; position < bytes.length; position += 1) {
    const byte = bytes[position];
    if (isString) {
      if (byte === BACKSLASH) position += 1;
      else if (byte === QUOTE) isString = false;
      continue;
    }
    if (byte === QUOTE) isString = true;
    else if (byte === OPENING_BRACKET || byte === OPENING_BRACE) depth += 1;
    else if ((byte === CLOSING_BRACKET || byte === CLOSING_BRACE) && depth > 0) depth -= 1;
    else if (depth === 0 && (byte === COMMA || byte === CLOSING_BRACKET)) {
      const isEmptyArray = row === 0 && byte === CLOSING_BRACKET && isBlank(bytes, start, position);
      row += 1;
      const failure = isEmptyArray ? null : visit(bytes.subarray(start, position), row);
      if (failure !== null) return failure;
      if (byte === CLOSING_BRACKET) return checkEnd(bytes, position + 1);
      start = position + 1;
    }
  }
  return invalid("the array is never closed");
}

/** Lines of NDJSON; blank ones are skipped but counted. */
export function scanLines(bytes: Uint8Array, visit: RecordTextVisitor): DatasetFailure | null {
  let [start, line] = [0, 0];
  while (start < bytes.length) {
    const next = bytes.indexOf(LINE_FEED, start);
    const end = next === -1 ? bytes.length : next;
    line += 1;
    const failure = isBlank(bytes, start, end) ? null : visit(bytes.subarray(start, end), line);
    if (failure !== null) return failure;
    start = end + 1;
  }
  return null;
}

function checkEnd(bytes: Uint8Array, position: number): DatasetFailure | null {
  const isEnd = isBlank(bytes, position, bytes.length);
  return isEnd
    ? null
    : invalid("there is text after the array; for one object per line use NDJSON");
}

function invalid(message: string): DatasetFailure {
  return datasetFailure("invalid_json", message);
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  return skipWhitespace(bytes, start) >= end;
}

function skipWhitespace(bytes: Uint8Array, start: number): number {
  let position = start;
  while (isWhitespace(bytes[position])) position += 1;
  return position;
}

function isWhitespace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
