/**
 * The parameters of the dataset routes. Everything is checked against the dataset's columns before anything is
 * charged; a parameter that is not known is an error, never ignored.
 */
import type { Condition, DatasetQuery, OrderKey } from "../contracts/dataset.ts";
import type { Column } from "../contracts/snapshot.ts";
import { decodeCursor, type CursorScope } from "./cursor.ts";
import type { DatasetFormat } from "./dataset-format.ts";
import { LIMIT_DEFAULT, LIMIT_MAX } from "./limits.ts";
import { wrong, type Parsed, type QueryColumn } from "./operand.ts";
import { buildPredicate } from "./predicate.ts";
import { parseOrder, parseSelect } from "./query-columns.ts";
import { parseFilter } from "./query-filter.ts";
import {
  blame,
  parseChoice,
  parseFormat,
  refuseOthers,
  takeSingles,
  type ParameterFailure,
} from "./query-parameters.ts";

export type QueryResult =
  | {
      readonly ok: true;
      readonly query: DatasetQuery;
      readonly format: DatasetFormat;
      /** What cursors of this query belong to. */
      readonly scope: CursorScope;
    }
  | ParameterFailure;

const LIST_PARAMETERS = ["select", "order", "limit", "cursor", "count", "format"] as const;

/** Parses the parameters of a `list` route. @param version names the immutable version that cursors are bound to. */
export function parseQuery(
  parameters: URLSearchParams,
  columns: readonly Column[],
  { version }: { readonly version: string },
): QueryResult {
  const queryColumns = numberColumns(columns);
  const singles = takeSingles(parameters, LIST_PARAMETERS);
  if (!singles.ok) return singles;
  const { single, others } = singles;
  const filter = parseFilter(others, queryColumns, LIST_PARAMETERS);
  if (!filter.ok) return filter;
  const select = parseSelect(single("select"), queryColumns);
  if (!select.ok) return blame("select", select);
  const order = parseOrder(single("order"), queryColumns);
  if (!order.ok) return blame("order", order);
  const limit = parseLimit(single("limit"));
  if (!limit.ok) return blame("limit", limit);
  const count = parseChoice(single("count") ?? "none", ["none", "exact"] as const);
  if (!count.ok) return blame("count", count);
  const format = parseFormat(single("format"));
  if (!format.ok) return blame("format", format);
  const scope = { version, fingerprint: fingerprintOf(filter.value, order.value) };
  const afterRow = parseCursor(single("cursor"), scope);
  if (!afterRow.ok) return blame("cursor", afterRow);
  const query: DatasetQuery = {
    filter: filter.value,
    select: select.value,
    order: order.value,
    limit: limit.value,
    afterRow: afterRow.value,
    count: count.value === "exact",
  };
  return { ok: true, query, format: format.value, scope };
}

/** Parses the parameters of a route on one row, `/cities/:key`. */
export function parseItemQuery(
  parameters: URLSearchParams,
  columns: readonly Column[],
  key: { readonly column: string; readonly value: string },
): { readonly ok: true; readonly query: DatasetQuery } | ParameterFailure {
  const queryColumns = numberColumns(columns);
  const singles = takeSingles(parameters, ["select"]);
  if (!singles.ok) return singles;
  const unknown = refuseOthers(singles.others, ["select"]);
  if (unknown !== null) return unknown;
  const select = parseSelect(singles.single("select"), queryColumns);
  if (!select.ok) return blame("select", select);
  const column = queryColumns.find(({ name }) => name === key.column);
  if (column === undefined) return { ok: false, parameter: "key", message: "there is no key" };
  const filter = buildPredicate(column, "eq", key.value);
  if (!filter.ok) return blame("key", filter);
  const query: DatasetQuery = {
    filter: [filter.value],
    select: select.value,
    order: [],
    limit: 1,
    afterRow: null,
    count: false,
  };
  return { ok: true, query };
}

/** Parses the parameters of a `download` route. */
export function parseDownloadQuery(
  parameters: URLSearchParams,
): { readonly ok: true; readonly format: DatasetFormat } | ParameterFailure {
  const singles = takeSingles(parameters, ["format"]);
  if (!singles.ok) return singles;
  const unknown = refuseOthers(singles.others, ["format"]);
  if (unknown !== null) return unknown;
  const format = parseFormat(singles.single("format"));
  return format.ok ? { ok: true, format: format.value } : blame("format", format);
}

function parseLimit(text: string | null): Parsed<number> {
  if (text === null) return { ok: true, value: LIMIT_DEFAULT };
  const limit = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (limit <= LIMIT_MAX) return { ok: true, value: limit };
  return wrong(`must be an integer from 1 to ${LIMIT_MAX}, for example limit=${LIMIT_DEFAULT}`);
}

function parseCursor(text: string | null, scope: CursorScope): Parsed<number | null> {
  if (text === null) return { ok: true, value: null };
  const row = decodeCursor(scope, text);
  if (row !== null) return { ok: true, value: row };
  return wrong(
    "must be the nextCursor of the same filter and order on the dataset's current version; start again without it",
  );
}

function numberColumns(columns: readonly Column[]): QueryColumn[] {
  return columns.map((column, position) => ({ ...column, position }));
}

/** The same for the same rows in the same order, however the parameters were arranged. */
function fingerprintOf(filter: readonly Condition[], order: readonly OrderKey[]): string {
  const conditions = filter.map((condition) => JSON.stringify(condition)).toSorted();
  return JSON.stringify([conditions, order]);
}
