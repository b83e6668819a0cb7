import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Row } from "../../src/contracts/dataset.ts";
import type { Column } from "../../src/contracts/snapshot.ts";
import { cellOfText, isExactNumber } from "../../src/dataset/cell.ts";
import { DATASET_FORMATS } from "../../src/dataset/dataset-format.ts";
import { publishNames } from "../../src/dataset/header.ts";
import { parseDataset, type ParseResult } from "../../src/dataset/parse-dataset.ts";
import { formatRows, rowFormat } from "../../src/dataset/row-format.ts";
import { INJECTION_CORPUS } from "../support/injection-corpus.ts";

const COLUMNS: Column[] = [
  { name: "i", type: "integer", nullable: true },
  { name: "x", type: "number", nullable: true },
  { name: "b", type: "boolean", nullable: true },
  { name: "d", type: "date", nullable: true },
  { name: "t", type: "datetime", nullable: true },
  { name: "s", type: "string", nullable: true },
  { name: "j", type: "json", nullable: true },
];
const TYPES = Object.fromEntries(COLUMNS.map(({ name, type }) => [name, type]));

const day = fc
  .date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
  .map((date) => date.toISOString());
const storedText = fc
  .oneof(fc.string({ unit: "grapheme" }), fc.constantFrom(...INJECTION_CORPUS))
  // CSV has no empty text beside null, and no dataset has null characters.
  .filter((value) => value !== "" && !value.includes("\0"));
const cells = {
  i: fc.maxSafeInteger(),
  // -0 has no text of its own.
  x: fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => value + 0),
  b: fc.constantFrom(0, 1),
  d: day.map((text) => text.slice(0, 10)),
  t: day,
  s: storedText,
  j: fc
    .oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()))
    .map((value) => JSON.stringify(JSON.parse(JSON.stringify(value))))
    // Longer numbers inside JSON become text, as they do outside.
    .filter((json) => !/[0-9]{16}/.test(json)),
};
const rowsArbitrary: fc.Arbitrary<Row[]> = fc.array(
  fc
    .record({
      i: fc.option(cells.i),
      x: fc.option(cells.x),
      b: fc.option(cells.b),
      d: fc.option(cells.d),
      t: fc.option(cells.t),
      s: fc.option(cells.s),
      j: fc.option(cells.j),
    })
    .map((record): Row => Object.values(record)),
  { maxLength: 30 },
);
/** In CSV a column without any value would come back as empty texts. */
const FULL_ROW: Row = [1, 1.5, 1, "2024-02-29", "2024-02-29T00:00:00.000Z", "x", "[]"];

it.each(DATASET_FORMATS)("reads back what it wrote as %s", (format) => {
  fc.assert(
    fc.property(rowsArbitrary, (otherRows) => {
      const rows = [FULL_ROW, ...otherRows];
      const body = formatRows(rowFormat(format, COLUMNS), rows);
      const result = parseDataset(new TextEncoder().encode(body), format, { types: TYPES });
      if (!result.ok) throw new Error(result.error.message);
      expect(result.dataset.chunks.flatMap((chunk) => JSON.parse(chunk) as Row[])).toEqual(rows);
    }),
    { numRuns: 300 },
  );
});

/** Rows that were not read as many, or not as wide, as the dataset says; a refusal counts as none. */
function malformedRows(result: ParseResult): Row[] {
  if (!result.ok) return [];
  const { chunks, rowCount, columns } = result.dataset;
  const rows = chunks.flatMap((chunk) => JSON.parse(chunk) as Row[]);
  return rows.length === rowCount ? rows.filter((row) => row.length !== columns.length) : rows;
}

it("refuses or understands any bytes in any format, and never throws", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(fc.constantFrom('"', ",", ";", "\n", "\r\n", "[", "]", "{", "}", ":", "a", "1", "\\"))
      .map((parts) => parts.join("")),
    fc.json(),
  );
  const bytes = fc.oneof(
    fc.uint8Array(),
    text.map((value) => new TextEncoder().encode(value)),
  );
  fc.assert(
    fc.property(bytes, fc.constantFrom(...DATASET_FORMATS), (file, format) => {
      expect(malformedRows(parseDataset(file, format))).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});

it("publishes names that are unique, fit a URL and stay when published again", () => {
  const names = fc.array(
    fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.constantFrom("id", "ID", "id_2", "limit", "or", "not.x", "", " a ", "a b", "a_b", "é"),
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(names, (sources) => {
      const published = publishNames(sources).names;
      expect(new Set(published).size).toBe(sources.length);
      expect(published.every((name) => /^[\p{L}\p{M}\p{N}_.]+$/u.test(name))).toBe(true);
      expect(publishNames(published)).toEqual({ names: published, problems: [] });
    }),
  );
});

it("takes a number's text for exact only when the number gives the value back", () => {
  fc.assert(
    fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (value) => {
      // Doubles beyond 2^53 are written like integers up to 1e21, and those stay text.
      const isLongInteger = Number.isInteger(value) && Math.abs(value) > Number.MAX_SAFE_INTEGER;
      const spelling = String(value);
      fc.pre(!isLongInteger || spelling.includes("e"));
      expect(isExactNumber(spelling)).toBe(true);
      expect(cellOfText(spelling, "number")).toBe(Number(spelling));
    }),
  );
});
