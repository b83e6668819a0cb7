/** Whatever a caller sends, a query is refused or becomes one of the statements we wrote, with the rest bound. */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Column } from "../../src/contracts/snapshot.ts";
import { decodeCursor, encodeCursor } from "../../src/dataset/cursor.ts";
import { parseItemQuery, parseQuery, type QueryResult } from "../../src/dataset/parse-query.ts";
import { toCountSql, toSql, type Statement } from "../../src/dataset/query-sql.ts";
import { INJECTION_CORPUS } from "../support/injection-corpus.ts";

const COLUMNS: Column[] = [
  { name: "id", type: "integer", nullable: false },
  { name: "price", type: "number", nullable: true },
  { name: "name", type: "string", nullable: true },
  { name: "geo.lat", type: "number", nullable: true },
  { name: "a.b.c", type: "string", nullable: false },
];
const VERSION = { version: "acme/cities/v1" };

/** All that may ever stand in a statement: our words, our names, our operators. */
const WORDS =
  "SELECT COUNT AS count FROM CROSS JOIN WHERE AND OR NOT IS NULL IN BETWEEN value json_each";
const MORE_WORDS = "instr substr TRUE ORDER BY ASC DESC NULLS FIRST LAST LIMIT r l";
const TOKEN = new RegExp(
  String.raw`^(?:${`${WORDS} ${MORE_WORDS}`.split(" ").join("|")}|"c\d+"|"n"|"rows"|\?|[01]|[(),.*\s]|<>|[<>]=?|=)+$`,
);

const operators =
  "eq neq gt gte lt lte in is between contains startswith endswith not or and".split(" ");
const names = [
  ...COLUMNS.map(({ name }) => name),
  "or",
  "and",
  "not.or",
  "select",
  "order",
  "cursor",
];
const text = fc.oneof(
  fc.constantFrom(...INJECTION_CORPUS),
  fc.string({ unit: "binary" }),
  fc.constantFrom("1", "1.5", "FR", "(1,2)", "id", "name.desc", 'or=("'),
);
const expression = fc.oneof(
  text,
  fc.tuple(fc.constantFrom(...operators), text).map(([operator, rest]) => `${operator}.${rest}`),
  fc
    .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...operators), text))
    .map((items) => `(${items.map((item) => item.join(".")).join(",")})`),
);
const parameters = fc.array(
  fc.tuple(fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...names) }, text), expression),
  { maxLength: 3 },
);

/** The statements of a query, for its first page and a later one; none when it was refused. */
function statementsOf(result: QueryResult): string[] {
  if (!result.ok) return [];
  const { query } = result;
  return [toSql(query), toSql({ ...query, afterRow: 7 }), toCountSql(query)].map(({ sql }) => sql);
}

function findByName(operand: string, operator: string): Statement {
  const search = new URLSearchParams([["name", `${operator}.${operand}`]]);
  const result = parseQuery(search, COLUMNS, VERSION);
  if (!result.ok) throw new Error(result.message);
  return toSql(result.query);
}

it("refuses or understands any parameters, and never throws", () => {
  fc.assert(
    fc.property(parameters, (pairs) => {
      const result = parseQuery(new URLSearchParams(pairs), COLUMNS, VERSION);
      expect(statementsOf(result).filter((sql) => !TOKEN.test(sql))).toEqual([]);
    }),
    { numRuns: 5_000 },
  );
});

it.each(INJECTION_CORPUS)("makes the same statement of %j as of any other text", (hostile) => {
  for (const operator of ["eq", "neq", "gt", "lte", "contains", "startswith", "endswith"]) {
    expect(findByName(hostile, operator).sql).toBe(findByName("x", operator).sql);
    expect(findByName(hostile, operator).bindings).toContain(hostile);
  }
});

it.each(INJECTION_CORPUS)("refuses %j where a name belongs", (hostile) => {
  for (const parameter of ["select", "order", "format", "count", "limit", "cursor"]) {
    const search = new URLSearchParams([[parameter, hostile]]);
    expect(parseQuery(search, COLUMNS, VERSION)).toMatchObject({ ok: false, parameter });
  }
  expect(parseQuery(new URLSearchParams([[hostile, "1"]]), COLUMNS, VERSION).ok).toBe(false);
});

it("takes any text for a key without understanding it as anything else", () => {
  fc.assert(
    fc.property(text, (value) => {
      const key = { column: "name", value };
      expect(parseItemQuery(new URLSearchParams(), COLUMNS, key)).toMatchObject({
        ok: true,
        query: { filter: [{ op: "eq", column: 2, operand: value }] },
      });
    }),
  );
});

it("understands no cursor but the ones it made, in their own scope", () => {
  const scope = { version: "v", fingerprint: "f" };
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 999_999_999 }),
      fc.nat(),
      fc.string(),
      (row, at, other) => {
        const cursor = encodeCursor(scope, row);
        expect(decodeCursor(scope, cursor)).toBe(row);
        expect(decodeCursor({ ...scope, fingerprint: `f${other}x` }, cursor)).toBeNull();
        const index = at % cursor.length;
        const altered = `${cursor.slice(0, index)}${cursor[index] === "7" ? "8" : "7"}${cursor.slice(index + 1)}`;
        expect(decodeCursor(scope, altered)).toBeNull();
        expect(decodeCursor(scope, other)).toBeNull();
      },
    ),
  );
});
