/**
 * What a dataset query means, written down a second time without SQL: filters over plain objects with three-valued
 * logic, and a comparison of rows. Queries are generated in this form and rendered to the URL they stand for.
 */
import * as fc from "fast-check";

export type Value = string | number | boolean | null;
export type Fields = Record<string, unknown>;

/** A filter as its author means it; `operands` are values, not their spelling. */
export type Filter =
  | { kind: "compare"; column: string; operator: string; operands: Value[]; negated: boolean }
  | { kind: "group"; operator: "and" | "or"; filters: Filter[]; negated: boolean };

export interface Order {
  column: string;
  descending: boolean;
  /** null leaves it to the default. */
  nullsFirst: boolean | null;
}

/** Columns by name with the values they are filled from; the values also serve as operands. */
export const DOMAINS: Record<string, { type: string; values: Exclude<Value, null>[] }> = {
  id: { type: "integer", values: Array.from({ length: 40 }, (_, index) => index) },
  i: { type: "integer", values: [-3, -1, 0, 1, 2, 10, Number.MAX_SAFE_INTEGER] },
  x: { type: "number", values: [-1.5, 0, 0.1, 0.30000000000000004, 3, 1e21, 5e-324] },
  b: { type: "boolean", values: [true, false] },
  d: { type: "date", values: ["1999-12-31", "2024-02-29", "2024-03-01"] },
  t: {
    type: "datetime",
    values: ["1999-12-31T23:59:59.999Z", "2024-02-29T00:00:00.000Z", "2024-02-29T00:00:00.500Z"],
  },
  s: {
    type: "string",
    values: [
      ...'|a|A|ab|aba|é|é|\u{1F600}|a\u{1F600}b|\uFFFD|%|_|a_b|50%|a,b|(a)|"a"|a\\b|\' OR 1=1 --|null|true'.split(
        "|",
      ),
      ..."not.a|eq.a|in.(a)| | a|a\nb|x\u{10FFFF}".split("|"),
    ],
  },
};
const COLUMN_NAMES = Object.keys(DOMAINS);

export const fieldsArbitrary: fc.Arbitrary<Fields> = fc.record(
  Object.fromEntries(
    COLUMN_NAMES.filter((name) => name !== "id").map((name) => [
      name,
      fc.option(fc.constantFrom(...valuesOf(name)), { freq: 4 }),
    ]),
  ),
);

const compareArbitrary: fc.Arbitrary<Filter> = fc
  // Text has the most operators, so it is asked for more often.
  .constantFrom(...COLUMN_NAMES, "s", "s", "s")
  .chain((column) => {
    const value = fc.constantFrom(...valuesOf(column));
    const one = fc.tuple(value);
    const isBoolean = DOMAINS[column]?.type === "boolean";
    const range = ["gt", "gte", "lt", "lte"].map((operator) => ({ operator, operands: one }));
    const text = ["contains", "startswith", "endswith"].map((operator) => ({
      operator,
      operands: fc.tuple(value.filter((candidate) => candidate !== "")),
    }));
    const choices: { operator: string; operands: fc.Arbitrary<Value[]> }[] = [
      { operator: "eq", operands: one },
      { operator: "neq", operands: one },
      { operator: "in", operands: fc.array(value, { minLength: 1, maxLength: 4 }) },
      { operator: "is", operands: fc.tuple(isBoolean ? fc.option(value) : fc.constant(null)) },
      ...(isBoolean ? [] : [...range, { operator: "between", operands: fc.tuple(value, value) }]),
      ...(column === "s" ? [...text, ...text] : []),
    ];
    return fc.constantFrom(...choices).chain(({ operator, operands }) =>
      fc.record({
        kind: fc.constant("compare" as const),
        column: fc.constant(column),
        operator: fc.constant(operator),
        operands,
        negated: fc.boolean(),
      }),
    );
  });

function groupArbitrary(inner: fc.Arbitrary<Filter>): fc.Arbitrary<Filter> {
  return fc.record({
    kind: fc.constant("group" as const),
    operator: fc.constantFrom("and" as const, "or" as const),
    filters: fc.array(inner, { minLength: 1, maxLength: 3 }),
    negated: fc.boolean(),
  });
}

const shallow = fc.oneof(compareArbitrary, groupArbitrary(compareArbitrary));
export const filtersArbitrary: fc.Arbitrary<Filter[]> = fc.array(
  fc.oneof({ weight: 3, arbitrary: compareArbitrary }, groupArbitrary(shallow)),
  { maxLength: 3 },
);

export const orderArbitrary: fc.Arbitrary<Order[]> = fc
  .uniqueArray(fc.constantFrom(...COLUMN_NAMES), { maxLength: 3 })
  .chain((columns) =>
    fc.tuple(
      ...columns.map((column) =>
        fc.record({
          column: fc.constant(column),
          descending: fc.boolean(),
          nullsFirst: fc.option(fc.boolean()),
        }),
      ),
    ),
  );

/** The URL parameters that say what the filters and the order mean. */
export function renderQuery(filters: readonly Filter[], order: readonly Order[]): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const filter of filters) {
    const negation = filter.negated ? "not." : "";
    if (filter.kind === "group") {
      parameters.append(`${negation}${filter.operator}`, renderGroup(filter.filters));
    } else {
      const operand =
        filter.operator === "in" || filter.operator === "between"
          ? renderList(filter.operands)
          : String(filter.operands[0]);
      parameters.append(filter.column, `${negation}${filter.operator}.${operand}`);
    }
  }
  if (order.length > 0) parameters.set("order", order.map(renderOrder).join(","));
  return parameters;
}

/** The rows that pass, in order; rows that are equal under it keep theirs. */
export function evaluate(
  rows: readonly Fields[],
  filters: readonly Filter[],
  order: readonly Order[],
): Fields[] {
  const all: Filter = { kind: "group", operator: "and", filters: [...filters], negated: false };
  return rows
    .filter((row) => holds(all, row) === true)
    .toSorted((first, second) => {
      for (const key of order) {
        const difference = compareByKey(key, first[key.column], second[key.column]);
        if (difference !== 0) return difference;
      }
      return 0;
    });
}

function renderGroup(filters: readonly Filter[]): string {
  const items = filters.map((filter) => {
    const negation = filter.negated ? "not." : "";
    if (filter.kind === "group")
      return `${negation}${filter.operator}${renderGroup(filter.filters)}`;
    const isList = filter.operator === "in" || filter.operator === "between";
    const operand = isList ? renderList(filter.operands) : renderQuoted(filter.operands[0] ?? null);
    return `${filter.column}.${negation}${filter.operator}.${operand}`;
  });
  return `(${items.join(",")})`;
}

function renderList(operands: readonly Value[]): string {
  return `(${operands.map(renderQuoted).join(",")})`;
}

function renderQuoted(value: Value): string {
  return typeof value === "string" ? `"${value.replace(/["\\]/g, "\\$&")}"` : String(value);
}

function renderOrder({ column, descending, nullsFirst }: Order): string {
  const nulls = nullsFirst === null ? "" : nullsFirst ? ".nullsfirst" : ".nullslast";
  return `${column}${descending ? ".desc" : ".asc"}${nulls}`;
}

function holds(filter: Filter, row: Fields): boolean | null {
  const result = filter.kind === "group" ? junction(filter, row) : comparison(filter, row);
  return filter.negated && result !== null ? !result : result;
}

function junction(
  { operator, filters }: Extract<Filter, { kind: "group" }>,
  row: Fields,
): boolean | null {
  const results = new Set(filters.map((filter) => holds(filter, row)));
  const decisive = operator === "or";
  if (results.has(decisive)) return decisive;
  return results.has(null) ? null : !decisive;
}

function comparison(
  { column, operator, operands }: Extract<Filter, { kind: "compare" }>,
  row: Fields,
): boolean | null {
  const value = row[column] ?? null;
  const [operand = null, second = null] = operands;
  if (operator === "is") return value === operand;
  if (value === null) return null;
  switch (operator) {
    case "eq":
      return value === operand;
    case "neq":
      return value !== operand;
    case "in":
      return operands.some((candidate) => candidate === value);
    case "contains":
      return textOf(value).includes(textOf(operand));
    case "startswith":
      return textOf(value).startsWith(textOf(operand));
    case "endswith":
      return textOf(value).endsWith(textOf(operand));
    case "between":
      return compareValues(value, operand) >= 0 && compareValues(value, second) <= 0;
    default: {
      const difference = compareValues(value, operand);
      return operator.startsWith("g")
        ? difference > 0 || (operator === "gte" && difference === 0)
        : difference < 0 || (operator === "lte" && difference === 0);
    }
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function compareByKey(key: Order, first: unknown, second: unknown): number {
  if (first === null || second === null) {
    const nullsFirst = key.nullsFirst ?? key.descending;
    return (Number(first !== null) - Number(second !== null)) * (nullsFirst ? 1 : -1);
  }
  return compareValues(first, second) * (key.descending ? -1 : 1);
}

/** Text compares by code point, as UTF-8 does and UTF-16 does not. */
function compareValues(first: unknown, second: unknown): number {
  if (typeof first !== "string" || typeof second !== "string")
    return Number(first) - Number(second);
  const [firstPoints, secondPoints] = [Array.from(first), Array.from(second)];
  for (const [index, character] of firstPoints.entries()) {
    const difference =
      (character.codePointAt(0) ?? 0) - (secondPoints[index]?.codePointAt(0) ?? -1);
    if (difference !== 0) return difference;
  }
  return firstPoints.length - secondPoints.length;
}

function valuesOf(column: string): Exclude<Value, null>[] {
  return DOMAINS[column]?.values ?? [];
}
