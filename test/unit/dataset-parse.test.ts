import { describe, expect, it } from "vitest";
import type { Cell } from "../../src/contracts/dataset.ts";
import { datasetFormatOf, type DatasetFormat } from "../../src/dataset/dataset-format.ts";
import {
  COLUMNS_MAX,
  JSON_DEPTH_MAX,
  ROW_BYTES_MAX,
  ROWS_MAX,
  UPLOAD_BYTES_MAX,
} from "../../src/dataset/limits.ts";
import { parseDataset, type ParseOptions } from "../../src/dataset/parse-dataset.ts";

function parse(text: string | Uint8Array, format: DatasetFormat = "csv", options?: ParseOptions) {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return parseDataset(bytes, format, options);
}

function parsed(text: string | Uint8Array, format: DatasetFormat = "csv", options?: ParseOptions) {
  const result = parse(text, format, options);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  const rows: Cell[][] = result.dataset.chunks.flatMap((chunk) => JSON.parse(chunk) as Cell[][]);
  return { ...result.dataset, rows };
}

function refused(text: string | Uint8Array, format: DatasetFormat = "csv", options?: ParseOptions) {
  const result = parse(text, format, options);
  return result.ok ? null : result.error;
}

function nestedRecord(depth: number): string {
  return `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
}

function typesOf(text: string, format: DatasetFormat = "csv", options?: ParseOptions) {
  return parsed(text, format, options).columns.map(({ type }) => type);
}

describe("CSV", () => {
  it("reads quoted delimiters, quotes and line breaks as RFC 4180 has them", () => {
    const { rows } = parsed('a,b\r\n"x,y","say ""hi"""\r\n"two\r\nlines",\r\n');
    expect(rows).toEqual([
      ["x,y", 'say "hi"'],
      ["two\r\nlines", null],
    ]);
  });

  it.each([
    ["commas", "a,b\n1,2\n"],
    ["semicolons", "a;b\n1;2\n"],
    ["tabs", "a\tb\n1\t2\n"],
    ["bars", "a|b\n1|2\n"],
    ["a byte order mark", "\uFEFFa,b\n1,2\n"],
    ["carriage returns alone", "a,b\r1,2\r"],
    ["mixed line ends", "a,b\r\n1,2\n"],
    ["blank lines", "\na,b\n\n1,2\n\n"],
    ["no line end at the end", "a,b\n1,2"],
  ])("reads files with %s", (_what, text) => {
    const { columns, rows } = parsed(text);
    expect(columns.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(rows).toEqual([[1, 2]]);
  });

  it("takes a delimiter inside quotes for text, and a header without one for a single column", () => {
    expect(parsed('"a;b;c",d\n1,2\n').rows).toEqual([[1, 2]]);
    expect(parsed("name\nx;y\n").rows).toEqual([["x;y"]]);
  });

  it.each([
    ["ragged_row", 3, "a,b\n1,2\n1\n"],
    ["ragged_row", 2, "a,b\n1,2,3\n"],
    ["invalid_csv", 3, 'a,b\n1,2\n3,"open\n'],
    ["invalid_csv", 2, 'a,b\n1,x"y\n'],
    ["invalid_csv", 2, 'a,b\n1,"x"y\n'],
    ["empty_dataset", null, "a,b\n"],
    ["empty_dataset", null, ""],
    ["invalid_text", 2, "a,b\n1,x\0y\n"],
  ])("refuses with %s in row %s", (code, row, text) => {
    expect(refused(text)).toMatchObject({ code, row });
  });

  it("names the line whose bytes are not UTF-8", () => {
    const latin1 = Uint8Array.from([0x61, 0x0a, 0x62, 0x0a, 0xe9, 0x0a]);
    expect(refused(latin1)).toMatchObject({ code: "not_utf8", row: 3 });
  });

  it("names UTF-16 as what it is", () => {
    const utf16 = Uint8Array.from([0xff, 0xfe, 0x61, 0x00, 0x0a, 0x00]);
    expect(refused(utf16)?.message).toContain("UTF-16");
  });
});

describe("types", () => {
  it.each([
    ["integer", ["0", "-7", "9007199254740991"]],
    ["number", ["1.5", "-0.25", "1e-7", ".5", "3"]],
    ["boolean", ["true", "FALSE", "True"]],
    ["date", ["2024-02-29", "1999-12-31"]],
    ["datetime", ["2024-02-29T12:00:00Z", "2024-02-29 12:00", "2024-02-29T12:00:00.123+02:00"]],
    ["json", ['{"a": 1}', "[1, 2]"]],
    ["string", ["Paris", "Rome"]],
    ["string", ["01234", "00000"]],
    ["string", ["+33123456789"]],
    ["string", ["9007199254740993"]],
    ["string", ["0.123456789012345678"]],
    ["string", ["1e999"]],
    ["string", ["2023-02-29"]],
    ["string", ["2024-01-01T25:00:00Z"]],
    ["string", ["2024-01-01T10:00:00.123456Z"]],
    ["string", ["{not json"]],
    ["string", ["NaN", "Infinity"]],
  ])("are inferred from every value: %s from %j", (type, values) => {
    const lines = values.map((value) => `"${value.replaceAll('"', '""')}",x`);
    expect(typesOf(`v,w\n${lines.join("\n")}\n`)).toEqual([type, "string"]);
  });

  it("keeps a mixed column as text and says what does not fit and where", () => {
    const { columns, rows, problems } = parsed("pop\n10\n20\nn/a\n");
    expect(columns).toEqual([{ name: "pop", type: "string", nullable: false }]);
    expect(rows).toEqual([["10"], ["20"], ["n/a"]]);
    const message = 'kept as string: 2 of 3 values are of type integer, but row 4 has "n/a"';
    expect(problems).toEqual([{ column: "pop", row: 4, message }]);
  });

  it("finds the one value that does not fit at the end of a long file", () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => String(index));
    const { columns, problems } = parsed(["n", ...lines, "x"].join("\n"));
    expect(columns[0]?.type).toBe("string");
    expect(problems[0]?.row).toBe(5_002);
  });

  it("takes empty cells for nulls, but for empty texts where a column has nothing else", () => {
    const { columns, rows } = parsed("a,b,c\n1,,x\n,,\n");
    expect(columns.map(({ nullable }) => nullable)).toEqual([true, false, true]);
    expect(rows).toEqual([
      [1, "", "x"],
      [null, "", null],
    ]);
  });

  it("stores datetimes as one form of UTC, and says when it had to assume UTC", () => {
    const { rows, problems } = parsed("t\n2024-01-01T01:30+02:00\n2024-01-01 10:00:05\n");
    expect(rows).toEqual([["2023-12-31T23:30:00.000Z"], ["2024-01-01T10:00:05.000Z"]]);
    expect(problems[0]?.message).toBe("datetimes without a UTC offset are read as UTC: 1 of 2");
  });

  it("keeps every digit of JSON in a cell, on one line", () => {
    const { rows } = parsed('j\n"{""id"": 9007199254740993,\n ""s"": ""a  b""}"\n');
    expect(rows).toEqual([['{"id":9007199254740993,"s":"a  b"}']]);
  });

  it("gives way to what is declared, by the name in the file or the published one", () => {
    const text = "zip,Unit price\n1234,5\n";
    const types = { zip: "string", "Unit price": "number" } as const;
    expect(typesOf(text, "csv", { types })).toEqual(["string", "number"]);
    expect(typesOf(text, "csv", { types: { Unit_price: "string" } })).toEqual([
      "integer",
      "string",
    ]);
  });

  it("rounds long numbers, and reads texts of JSON as numbers, where numbers are declared", () => {
    const types = { n: "number" } as const;
    expect(parsed("n\n9007199254740993\n", "csv", { types }).rows).toEqual([[2 ** 53]]);
    expect(parsed('[{"n":"1.50"}]', "json", { types }).rows).toEqual([[1.5]]);
  });

  it("refuses a value that is not of the declared type, with its column and row", () => {
    const error = refused("n\n1\nx\n", "csv", { types: { n: "integer" } });
    expect(error).toMatchObject({ code: "type_mismatch", column: "n", row: 3 });
    expect(error?.message).toBe('row 3: "x" is not of the declared type integer');
  });

  it("refuses a declaration for a column that is not there", () => {
    const error = refused("n\n1\n", "csv", { types: { m: "integer" } });
    expect(error).toMatchObject({ code: "unknown_column", column: "m" });
  });
});

describe("the header", () => {
  it("is published in names that fit a URL, the same for the same header, and says so", () => {
    const { columns, problems } = parsed(
      "id,Population (2020),limit,id,id_2,,prénom\n1,2,3,4,5,6,7\n",
    );
    const names = ["id", "Population_2020", "_limit", "id_3", "id_2", "column_6", "prénom"];
    expect(columns.map(({ name }) => name)).toEqual(names);
    expect(problems.map(({ column }) => column)).toEqual([
      "Population_2020",
      "_limit",
      "id_3",
      "column_6",
    ]);
  });
});

describe("JSON", () => {
  it("flattens objects one level deep and keeps what is deeper, and arrays, as JSON", () => {
    const text = '[{"id":1,"geo":{"lat":1.5,"box":{"w":2}},"tags":["a"],"none":{}}]';
    const { columns, rows } = parsed(text, "json");
    expect(columns.map(({ name, type }) => `${name} ${type}`)).toEqual([
      "id integer",
      "geo.lat number",
      "geo.box json",
      "tags json",
      "none json",
    ]);
    expect(rows).toEqual([[1, 1.5, '{"w":2}', '["a"]', "{}"]]);
  });

  it("leaves an object whole that is declared as JSON", () => {
    const types = { geo: "json" } as const;
    const { columns, rows } = parsed('[{"geo":{"lat":1.5}}]', "json", { types });
    expect(columns).toEqual([{ name: "geo", type: "json", nullable: false }]);
    expect(rows).toEqual([['{"lat":1.5}']]);
  });

  it("takes a name that a record lacks for null, wherever it first appears", () => {
    const { columns, rows } = parsed('{"a":1}\n\n{"b":true}\n', "ndjson");
    expect(columns.map(({ nullable }) => nullable)).toEqual([true, true]);
    expect(rows).toEqual([
      [1, null],
      [null, 1],
    ]);
  });

  it("believes the types of JSON: a text of digits stays text, an empty text stays empty", () => {
    expect(parsed('[{"a":"1","b":""}]', "json").rows).toEqual([["1", ""]]);
  });

  it("keeps numbers as text that a double would change", () => {
    const text = '[{"a":9007199254740993},{"a":1},{"a":1e999}]';
    const { columns, rows } = parsed(text, "json");
    expect(columns[0]?.type).toBe("string");
    expect(rows).toEqual([["9007199254740993"], ["1"], ["1e999"]]);
  });

  it.each([
    ["invalid_json", null, '{"a":1}'],
    ["invalid_json", null, '[{"a":1}'],
    ["invalid_json", null, '[{"a":1}] x'],
    ["invalid_json", 2, '[{"a":1},]'],
    ["invalid_json", 1, '[{"a":1} {"a":2}]'],
    ["invalid_json", 2, '[{"a":1},7]'],
    ["invalid_json", 1, "[}]"],
    ["empty_dataset", null, "[]"],
    ["empty_dataset", null, "[{}]"],
    ["duplicate_field", 1, '[{"a.b":1,"a":{"b":2}}]'],
    ["invalid_text", 1, String.raw`[{"a":"\ud800"}]`],
    ["invalid_text", 1, String.raw`[{"a":"x\u0000"}]`],
  ])("refuses with %s in record %s: %s", (code, row, text) => {
    expect(refused(text, "json")).toMatchObject({ code, row });
  });

  it("takes JSON as deep as it says and refuses what is deeper, however deep", () => {
    expect(parsed(nestedRecord(JSON_DEPTH_MAX), "ndjson").rowCount).toBe(1);
    for (const depth of [JSON_DEPTH_MAX + 1, 500_000]) {
      expect(refused(nestedRecord(depth), "ndjson")).toMatchObject({
        code: "invalid_json",
        row: 1,
      });
    }
  });

  it("names the line of NDJSON that is wrong, counting blank ones", () => {
    expect(refused('{"a":1}\n\n{"a":\n', "ndjson")).toMatchObject({ code: "invalid_json", row: 3 });
  });
});

describe("limits", () => {
  it("takes as many columns as it says and refuses one more, in every format", () => {
    const names = Array.from({ length: COLUMNS_MAX + 1 }, (_, index) => `c${index}`);
    const csv = (count: number) =>
      `${names.slice(0, count).join(",")}\n${names.slice(0, count).join(",")}\n`;
    expect(parsed(csv(COLUMNS_MAX)).columns).toHaveLength(COLUMNS_MAX);
    expect(refused(csv(COLUMNS_MAX + 1))?.code).toBe("too_many_columns");
    const record = Object.fromEntries(names.map((name) => [name, 1]));
    expect(refused(JSON.stringify([record]), "json")?.code).toBe("too_many_columns");
  });

  it("takes as many rows as it says and refuses one more", () => {
    const text = `n\n${"1\n".repeat(ROWS_MAX)}`;
    expect(parsed(text).rowCount).toBe(ROWS_MAX);
    expect(refused(`${text}1\n`)?.code).toBe("too_many_rows");
  });

  it("refuses a row that could not be stored, with its number", () => {
    const text = `a\nshort\n${"x".repeat(ROW_BYTES_MAX)}\n`;
    expect(refused(text)).toMatchObject({ code: "row_too_large", row: 3 });
  });

  it("refuses a file that is too large before reading it", () => {
    expect(refused(new Uint8Array(UPLOAD_BYTES_MAX + 1))?.code).toBe("dataset_too_large");
  });
});

it("knows the formats by their media types, parameters aside", () => {
  expect(datasetFormatOf("text/CSV; charset=utf-8")).toBe("csv");
  expect(datasetFormatOf("application/x-ndjson")).toBe("ndjson");
  expect(datasetFormatOf("constructor")).toBeNull();
});
