import type { JsonObject, JsonValue } from "../payment/wire.ts";
import { isExactNumber } from "./cell.ts";
import { datasetFailure, type DatasetFailure } from "./dataset-error.ts";
import { scanJsonArray, scanLines, type RecordTextVisitor } from "./json-scanner.ts";
import { JSON_DEPTH_MAX } from "./limits.ts";
import type { ReadResult, RecordVisitor } from "./record-reader.ts";
import { withoutByteOrderMark } from "./utf8.ts";

/** Where a number might not survive a double: sixteen digits in a row, or an exponent of three. */
const MAYBE_INEXACT_NUMBER = /[0-9][0-9.]{15}|[eE][+-]?[0-9]{3}/;

/**
 * Reads an array of objects (`json`) or one object per line (`ndjson`). Objects inside become columns `outer.inner`,
 * one level deep; what is deeper, and arrays, stay JSON. The header is every name in the order of first appearance.
 * @param wholeNames objects under these names are not taken apart
 */
export function readJson(
  bytes: Uint8Array,
  format: "json" | "ndjson",
  wholeNames: ReadonlySet<string>,
  visit: RecordVisitor,
): ReadResult {
  const positions = new Map<string, number>();
  const visitText: RecordTextVisitor = (text, row) => {
    const parsed = parseRecord(text, row);
    if (!parsed.ok) return parsed;
    const cells: JsonValue[] = Array.from({ length: positions.size }, () => null);
    const filled = new Set<string>();
    for (const [name, value] of flatten(parsed.record, wholeNames)) {
      if (filled.has(name)) {
        const message = `row ${row} has two values for "${name}"`;
        return datasetFailure("duplicate_field", message, { row, column: name });
      }
      filled.add(name);
      const position = positions.get(name) ?? positions.size;
      positions.set(name, position);
      cells[position] = value;
    }
    return visit(cells, row);
  };
  const body = withoutByteOrderMark(bytes);
  const failure = format === "json" ? scanJsonArray(body, visitText) : scanLines(body, visitText);
  return failure ?? { ok: true, header: [...positions.keys()] };
}

function parseRecord(
  bytes: Uint8Array,
  row: number,
): { readonly ok: true; readonly record: JsonObject } | DatasetFailure {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const message = `row ${row} has bytes that are not UTF-8: save the file as UTF-8`;
    return datasetFailure("not_utf8", message, { row });
  }
  let value: JsonValue;
  try {
    value = parseExactly(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return datasetFailure("invalid_json", `row ${row} is not valid JSON: ${reason}`, { row });
  }
  if (!isObject(value)) {
    return datasetFailure("invalid_json", `row ${row} is not an object`, { row });
  }
  if (isDeeperThan(value, JSON_DEPTH_MAX)) {
    const message = `row ${row} nests more than ${JSON_DEPTH_MAX} deep`;
    return datasetFailure("invalid_json", message, { row });
  }
  return { ok: true, record: value };
}

/** Goes no deeper than it must to tell. */
function isDeeperThan(value: JsonValue, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((inner) => isDeeperThan(inner, depth - 1));
}

/** `JSON.parse`, with numbers that a double would change as their own text. */
function parseExactly(text: string): JsonValue {
  if (!MAYBE_INEXACT_NUMBER.test(text)) return JSON.parse(text);
  return JSON.parse(text, keepInexactText);
}

function keepInexactText(_key: string, value: JsonValue, context?: { source?: string }): JsonValue {
  const source = typeof value === "number" ? context?.source : undefined;
  return source === undefined || isExactNumber(source) ? value : source;
}

function* flatten(
  record: JsonObject,
  wholeNames: ReadonlySet<string>,
): Generator<[string, JsonValue]> {
  for (const [name, value] of Object.entries(record)) {
    const members = isObject(value) && !wholeNames.has(name) ? Object.entries(value) : [];
    if (members.length === 0) yield [name, value];
    for (const [inner, innerValue] of members) yield [`${name}.${inner}`, innerValue];
  }
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
