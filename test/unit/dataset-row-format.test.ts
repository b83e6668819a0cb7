import { expect, it } from "vitest";
import type { Row } from "../../src/contracts/dataset.ts";
import type { Column } from "../../src/contracts/snapshot.ts";
import type { DatasetFormat } from "../../src/dataset/dataset-format.ts";
import { formatRows, rowFormat } from "../../src/dataset/row-format.ts";

const COLUMNS: Column[] = [
  { name: "id", type: "integer", nullable: false },
  { name: "open", type: "boolean", nullable: true },
  { name: "na,me", type: "string", nullable: true },
  { name: "tags", type: "json", nullable: true },
];
const ROWS: Row[] = [
  [1, 1, 'say "hi", twice\n', '["a",9007199254740993]'],
  [2, null, "", null],
];

function body(format: DatasetFormat): string {
  return formatRows(rowFormat(format, COLUMNS), ROWS);
}

it("writes JSON with booleans, nulls and stored JSON as what they are, digit by digit", () => {
  expect(body("json")).toBe(
    String.raw`[{"id":1,"open":true,"na,me":"say \"hi\", twice\n","tags":["a",9007199254740993]},` +
      `{"id":2,"open":null,"na,me":"","tags":null}]`,
  );
});

it("writes NDJSON with a line for every row", () => {
  const lines = body("ndjson").split("\n");
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[1] ?? "")).toEqual({ id: 2, open: null, "na,me": "", tags: null });
});

it("writes CSV as RFC 4180 has it, an empty text in quotes and null as nothing", () => {
  expect(body("csv")).toBe(
    'id,open,"na,me",tags\r\n' +
      '1,true,"say ""hi"", twice\n","[""a"",9007199254740993]"\r\n' +
      '2,,"",\r\n',
  );
});

it("never writes a blank line for a row, which would be no row", () => {
  const columns = COLUMNS.slice(1, 2);
  expect(formatRows(rowFormat("csv", columns), [[null], [0]])).toBe('open\r\n""\r\nfalse\r\n');
});
