/** What a value is, and how it is stored: shared by uploads (inference, conversion) and queries (operands). */
import type { Cell } from "../contracts/dataset.ts";
import type { ColumnType } from "../contracts/snapshot.ts";
import type { JsonValue } from "../payment/wire.ts";
import { SIGNIFICANT_DIGITS_MAX } from "./limits.ts";
import { canonicalDatetime, isDate } from "./temporal.ts";

/** No sign but minus and no leading zero: `+33…` and `007` are codes, not quantities. */
const INTEGER = /^(?:0|-?[1-9][0-9]*)$/;
const NUMBER = /^-?(?:0|[1-9][0-9]*|(?=\.))(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
const BOOLEAN = /^(?:true|false)$/i;
/** Strings are matched only to be stepped over. */
const JSON_WHITESPACE = /("(?:[^"\\]+|\\.)*")|\s+/g;

/** Whether a number's text survives the way through a double. */
export function isExactNumber(text: string): boolean {
  if (INTEGER.test(text)) return Number.isSafeInteger(Number(text));
  if (!NUMBER.test(text) || !Number.isFinite(Number(text))) return false;
  const mantissa = text.replace(/[eE].*$/, "").replace(/[-.]/g, "");
  return mantissa.replace(/^0+/, "").length <= SIGNIFICANT_DIGITS_MAX;
}

/** The narrowest type a text of a CSV file can have; an empty text has none and must not be asked for. */
export function typeOfText(text: string): ColumnType {
  const first = text.charCodeAt(0);
  const isNumeric = (first >= 0x30 && first <= 0x39) || first === 0x2d || first === 0x2e;
  if (isNumeric) {
    if (isExactNumber(text)) return INTEGER.test(text) ? "integer" : "number";
    return typeOfTemporalText(text);
  }
  if (BOOLEAN.test(text)) return "boolean";
  const isStructured = text.startsWith("{") || text.startsWith("[");
  return isStructured && parseJson(text) !== undefined ? "json" : "string";
}

/** The narrowest type a value of a JSON file can have: its strings are never numbers or booleans. */
export function typeOfValue(value: Exclude<JsonValue, null>): ColumnType {
  switch (typeof value) {
    case "string":
      return typeOfTemporalText(value);
    case "number":
      return Number.isSafeInteger(value) ? "integer" : "number";
    case "boolean":
      return "boolean";
    default:
      return "json";
  }
}

/** The stored form of a text (CSV cell, query operand) in a column of this type; undefined when it does not fit. */
export function cellOfText(text: string, type: ColumnType): string | number | undefined {
  switch (type) {
    case "integer":
      return INTEGER.test(text) && isExactNumber(text) ? Number(text) : undefined;
    case "number":
      return numberOfText(text);
    case "boolean":
      return BOOLEAN.test(text) ? Number(text.toLowerCase() === "true") : undefined;
    case "date":
      return isDate(text) ? text : undefined;
    case "datetime":
      return canonicalDatetime(isDate(text) ? `${text}T00:00Z` : text) ?? undefined;
    case "string":
      return text;
    default:
      return compactJson(text);
  }
}

/** The stored form of a JSON value in a column of this type; undefined when it does not fit. */
export function cellOfValue(value: JsonValue, type: ColumnType): Cell | undefined {
  if (value === null) return null;
  if (type === "json") return JSON.stringify(value);
  switch (typeof value) {
    case "string":
      return cellOfText(value, type);
    case "number":
      if (type === "string") return String(value);
      return type === typeOfValue(value) || type === "number" ? value : undefined;
    case "boolean":
      if (type === "string") return String(value);
      return type === "boolean" ? Number(value) : undefined;
    default:
      return type === "string" ? JSON.stringify(value) : undefined;
  }
}

/** Whoever declares a column a number, or compares with one, takes the nearest double. */
function numberOfText(text: string): number | undefined {
  const isNumber = NUMBER.test(text) && Number.isFinite(Number(text));
  return isNumber ? Number(text) : undefined;
}

function typeOfTemporalText(text: string): ColumnType {
  if (isDate(text)) return "date";
  return canonicalDatetime(text) === null ? "string" : "datetime";
}

/** Kept digit by digit, which parsing would not do; without line breaks it fits on a line of NDJSON. */
function compactJson(text: string): string | undefined {
  return parseJson(text) === undefined ? undefined : text.replace(JSON_WHITESPACE, "$1");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
