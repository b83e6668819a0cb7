import { describe, expect, it } from "vitest";
import type { Column } from "../../src/contracts/snapshot.ts";
import { encodeCursor } from "../../src/dataset/cursor.ts";
import {
  GROUP_DEPTH_MAX,
  IN_OPERANDS_MAX,
  LIMIT_MAX,
  PREDICATES_MAX,
} from "../../src/dataset/limits.ts";
import { parseDownloadQuery, parseItemQuery, parseQuery } from "../../src/dataset/parse-query.ts";
import { toCountSql, toSql } from "../../src/dataset/query-sql.ts";

const COLUMNS: Column[] = [
  { name: "id", type: "integer", nullable: false },
  { name: "price", type: "number", nullable: true },
  { name: "open", type: "boolean", nullable: true },
  { name: "day", type: "date", nullable: true },
  { name: "at", type: "datetime", nullable: true },
  { name: "name", type: "string", nullable: true },
  { name: "geo", type: "json", nullable: true },
  { name: "geo.lat", type: "number", nullable: true },
];
const VERSION = { version: "acme/cities/v1" };

function parse(search: string) {
  return parseQuery(new URLSearchParams(search), COLUMNS, VERSION);
}

function parsed(search: string) {
  const result = parse(search);
  if (!result.ok) throw new Error(`${result.parameter}: ${result.message}`);
  return result;
}

function filterOf(search: string) {
  return parsed(search).query.filter;
}

function refused(search: string) {
  const result = parse(search);
  return result.ok ? null : { parameter: result.parameter, message: result.message };
}

function parseItem(search: string, value: string) {
  return parseItemQuery(new URLSearchParams(search), COLUMNS, { column: "id", value });
}

function parseDownload(search: string) {
  return parseDownloadQuery(new URLSearchParams(search));
}

function nestedGroup(depth: number): string {
  return `or=${"(and".repeat(depth - 1)}(id.eq.1)${")".repeat(depth - 1)}`;
}

function listOf(length: number): string {
  return `id=in.(${Array.from({ length }, () => "7").join(",")})`;
}

describe("filters", () => {
  it.each([
    ["name=FR", { op: "eq", column: 5, operand: "FR" }],
    ["name=", { op: "eq", column: 5, operand: "" }],
    ["name=1.5.x", { op: "eq", column: 5, operand: "1.5.x" }],
    ["name=eq.gt.5", { op: "eq", column: 5, operand: "gt.5" }],
    ["price=gte.10", { op: "gte", column: 1, operand: 10 }],
    ["price__gte=10", { op: "gte", column: 1, operand: 10 }],
    ["price__in=(1,2.5)", { op: "in", column: 1, operands: [1, 2.5] }],
    ["price=not.lt.2", { op: "not", condition: { op: "lt", column: 1, operand: 2 } }],
    ["price=between.(1,2)", { op: "between", column: 1, low: 1, high: 2 }],
    ["open=true", { op: "eq", column: 2, operand: 1 }],
    ["open=is.false", { op: "is", column: 2, operand: 0 }],
    ["geo=is.null", { op: "is", column: 6, operand: null }],
    ["day=lte.2024-01-31", { op: "lte", column: 3, operand: "2024-01-31" }],
    ["at=gt.2024-01-31", { op: "gt", column: 4, operand: "2024-01-31T00:00:00.000Z" }],
    ["at=2024-01-31T01:00%2B01:00", { op: "eq", column: 4, operand: "2024-01-31T00:00:00.000Z" }],
    ["name=contains.a,b)(", { op: "contains", column: 5, operand: "a,b)(" }],
    ['name=in.(a,"b,c","d\\"e",)', { op: "in", column: 5, operands: ["a", "b,c", 'd"e', ""] }],
    ["geo.lat=lt.1", { op: "lt", column: 7, operand: 1 }],
  ])("reads %s", (search, condition) => {
    expect(filterOf(search)).toEqual([condition]);
  });

  it("joins parameters by and, also when a column stands twice", () => {
    expect(filterOf("price=gte.1&price=lt.2&name=FR")).toHaveLength(3);
  });

  it("reads groups inside groups, negated ones and names with dots", () => {
    const search = 'or=(price.gte.10,not.and(name.not.eq."a,b",geo.is.null),geo.lat.in.(1,2))';
    expect(filterOf(search)).toEqual([
      {
        op: "or",
        conditions: [
          { op: "gte", column: 1, operand: 10 },
          {
            op: "not",
            condition: {
              op: "and",
              conditions: [
                { op: "not", condition: { op: "eq", column: 5, operand: "a,b" } },
                { op: "is", column: 6, operand: null },
              ],
            },
          },
          { op: "in", column: 7, operands: [1, 2] },
        ],
      },
    ]);
    expect(filterOf("not.or=(id.eq.1)")[0]?.op).toBe("not");
  });
});

describe("a malformed parameter is named, with what is expected", () => {
  it.each([
    ["nme=FR", "nme", "is not known here; known are id, price"],
    ["offset=10", "offset", "cursor"],
    ["price__like=1", "price__like", "is not known here"],
    ["price=gte.cheap", "price", 'a number, for example price=eq.9.5; "cheap" is none'],
    ["id=1.5", "id", "an integer, for example id=eq.10"],
    ["id=9007199254740993", "id", "an integer"],
    ["open=yes", "open", "true or false"],
    ["day=2024-02-30", "day", "a date, for example day=eq.2024-01-31"],
    ["at=gt.yesterday", "at", "a datetime (write + as %2B)"],
    ["open=gt.true", "open", "is of type boolean, which has no gt; it has eq, neq, in, is"],
    ["price=contains.1", "price", "which has no contains"],
    ["geo={}", "geo", "is of type json, which has no eq; it has is"],
    ["name=is.true", "name", "is takes null"],
    ["name=like.F*", "name", '"like" is no operator here; to match that text write eq.like.F*'],
    ["name=not.FR", "name", "write eq.not.FR"],
    ["name=contains.", "name", "at least one character"],
    ["price=between.(1)", "price", "between takes two values"],
    ["price=between.1,2", "price", "expected ( at"],
    ["price=in.(1,2", "price", "expected , or ) at the end"],
    ["price=in.(1,2)3", "price", 'expected the end at "3"'],
    ["or=(price.gte)", "or", "expected column.operator.operand"],
    ["or=(nope.eq.1)", "or", "expected column.operator.operand"],
    ["or=()", "or", "expected column.operator.operand"],
    ["or=price.eq.1", "or", "expected ("],
    ["or=(price.eq.1)&or=(id.eq.x)", "or", "an integer"],
    ["select=id,nope", "select", 'there is no column "nope"'],
    ["select=id,id", "select", "selected twice"],
    ["order=nope.desc", "order", 'there is no column "nope"'],
    ["order=geo", "order", "has no order"],
    ["order=id,id.desc", "order", "the same column again"],
    ["order=id,price,name,day", "order", "at most 3 columns"],
    ["limit=0", "limit", "from 1 to 1000"],
    [`limit=${LIMIT_MAX + 1}`, "limit", "from 1 to 1000"],
    ["limit=1e2", "limit", "from 1 to 1000"],
    ["limit=1&limit=2", "limit", "only once"],
    ["count=yes", "count", "none or exact"],
    ["format=xml", "format", "json or csv or ndjson"],
    ["cursor=abc", "cursor", "nextCursor"],
  ])("%s", (search, parameter, message) => {
    const refusal = refused(search);
    expect(refusal?.parameter).toBe(parameter);
    expect(refusal?.message).toContain(message);
  });
});

describe("limits", () => {
  it("takes as many comparisons as it says, wherever they stand, and refuses one more", () => {
    const group = Array.from({ length: PREDICATES_MAX - 1 }, () => "id.eq.1").join(",");
    expect(refused(`id=1&or=(${group})`)).toBeNull();
    expect(refused(`id=1&id=2&or=(${group})`)?.message).toContain("at most 20 comparisons");
  });

  it("takes groups as deep as it says and refuses one more", () => {
    expect(refused(nestedGroup(GROUP_DEPTH_MAX))).toBeNull();
    expect(refused(nestedGroup(GROUP_DEPTH_MAX + 1))?.message).toContain("nest at most 3 deep");
  });

  it("takes lists as long as it says and refuses one more, with one binding either way", () => {
    const { query } = parsed(listOf(IN_OPERANDS_MAX));
    expect(toSql(query).bindings).toHaveLength(2);
    expect(refused(listOf(IN_OPERANDS_MAX + 1))?.message).toContain("at most 100 values");
  });

  it("stays far below 100 bindings with the largest query there is", () => {
    const filters = Array.from({ length: PREDICATES_MAX }, () => "name=endswith.x").join("&");
    const { query } = parsed(`${filters}&order=id,name,day`);
    expect(toSql({ ...query, afterRow: 1 }).bindings.length).toBeLessThan(50);
  });
});

describe("order, select and page", () => {
  it("puts nulls last ascending and first descending unless told, as PostgreSQL does", () => {
    const { order } = parsed("order=price,day.desc,name.desc.nullslast").query;
    expect(order.map(({ direction, nulls }) => `${direction} ${nulls}`)).toEqual([
      "asc last",
      "desc first",
      "desc last",
    ]);
  });

  it("returns all columns and 100 rows unless told", () => {
    const { query, format } = parsed("");
    expect(query).toMatchObject({ select: [0, 1, 2, 3, 4, 5, 6, 7], limit: 100, count: false });
    expect(format).toBe("json");
  });

  it("takes a cursor for the same filter and order, however arranged, at any page size", () => {
    const { scope } = parsed("price=gte.1&name=FR&order=id");
    const cursor = encodeCursor(scope, 42);
    const next = parsed(`name=FR&price=gte.1&order=id&limit=5&select=id&cursor=${cursor}`);
    expect(next.query.afterRow).toBe(42);
  });

  it("refuses a cursor that is altered, of another query or of another version", () => {
    const cursor = encodeCursor(parsed("price=gte.1").scope, 42);
    expect(refused(`price=gte.1&cursor=${cursor}`)).toBeNull();
    expect(refused(`price=gte.2&cursor=${cursor}`)?.parameter).toBe("cursor");
    expect(refused(`price=gte.1&order=id&cursor=${cursor}`)?.parameter).toBe("cursor");
    const forged = cursor.replace("42", "41");
    expect(refused(`price=gte.1&cursor=${forged}`)?.parameter).toBe("cursor");
    const parameters = new URLSearchParams(`price=gte.1&cursor=${cursor}`);
    expect(parseQuery(parameters, COLUMNS, { version: "acme/cities/v2" }).ok).toBe(false);
  });
});

describe("other routes", () => {
  it("reads an item by its key, in the key's type", () => {
    expect(parseItem("select=name", "7")).toMatchObject({
      ok: true,
      query: { filter: [{ op: "eq", column: 0, operand: 7 }], select: [5], limit: 1 },
    });
    expect(parseItem("", "seven")).toMatchObject({ ok: false, parameter: "key" });
    expect(parseItem("limit=1", "7")).toMatchObject({ ok: false, parameter: "limit" });
  });

  it("takes nothing but a format for a download", () => {
    expect(parseDownload("format=csv")).toEqual({ ok: true, format: "csv" });
    expect(parseDownload("")).toEqual({ ok: true, format: "json" });
    expect(parseDownload("limit=5")).toMatchObject({ ok: false, parameter: "limit" });
  });
});

describe("SQL", () => {
  it("names columns by position only and binds every value", () => {
    const { query } = parsed("name=startswith.Pa&select=id,name&order=price.desc&limit=10");
    expect(toSql(query)).toEqual({
      sql:
        'SELECT r."c0", r."c5", r."n" FROM "rows" AS r ' +
        'WHERE TRUE AND (substr(r."c5", 1, ?) = ?) ' +
        'ORDER BY r."c1" DESC NULLS FIRST, r."n" LIMIT ?',
      bindings: [2, "Pa", 11],
    });
    expect(toCountSql(query).sql).not.toContain("LIMIT");
  });

  it("enters the index of a key without nulls where the page starts", () => {
    const { query } = parsed("order=id.desc");
    expect(toSql({ ...query, afterRow: 9 }).sql).toContain(
      'WHERE l."n" = ? AND r."c0" <= l."c0" AND (r."c0" < l."c0" OR (r."c0" IS l."c0" AND r."n" > l."n"))',
    );
  });

  it("refuses to make an identifier of anything but a position", () => {
    const { query } = parsed("");
    const forged = JSON.parse('"0\\" FROM secrets --"') as number;
    expect(() => toSql({ ...query, select: [forged] })).toThrow(RangeError);
    expect(() => toSql({ ...query, select: [-1] })).toThrow(RangeError);
  });
});
