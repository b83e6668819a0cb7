import { expect, test } from "vitest";
import { manifestSchema } from "../../src/contracts/manifest.ts";
import {
  ROUTE_SCHEMAS_BYTES_MAX,
  ROUTE_SCHEMA_BYTES_MAX,
} from "../../src/contracts/route-schemas.ts";
import type { DatasetHandlerDefinition, Route } from "../../src/contracts/snapshot.ts";
import { routeSchema } from "../../src/dataset/route-schema.ts";
import { sampleRowsMax } from "../../src/dataset/limits.ts";

const ORIGIN = { path: "/search", origin: "https://api.example.com/search", price: "$0.01" };

function messagesOf(routes: readonly object[]): string[] {
  const parsed = manifestSchema.safeParse({ tenant: "acme", routes });
  return parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
}

test("a route may say what it takes and gives", () => {
  expect(messagesOf([{ ...ORIGIN, input: { type: "object" }, output: {} }])).toEqual([]);
});

test.each([
  ["an array", { input: [] }, "must be a JSON object"],
  ["text", { output: "object" }, "must be a JSON object"],
  [
    "more than a schema's bytes",
    { input: { description: "x".repeat(ROUTE_SCHEMA_BYTES_MAX) } },
    `must be at most ${ROUTE_SCHEMA_BYTES_MAX} bytes of JSON`,
  ],
  [
    "a reference",
    { output: { properties: { a: { $ref: "#/$defs/a" } } } },
    "must be self-contained: no $ref, $id, $anchor, $defs or $schema",
  ],
])("a route may not describe itself by %s", (_, described, message) => {
  expect(messagesOf([{ ...ORIGIN, ...described }])).toEqual([message]);
});

test("a text that mentions a reference is none", () => {
  expect(messagesOf([{ ...ORIGIN, input: { description: 'write "$ref": like this' } }])).toEqual(
    [],
  );
});

test("a dataset is described by its columns alone", () => {
  const route = { path: "/cities", dataset: "cities", price: "$0.01", output: {} };
  expect(messagesOf([route])).toEqual([
    "has its input and output described by its columns: leave both out",
  ]);
});

test("all routes together may not say more than every edge can remember", () => {
  const count = Math.ceil(ROUTE_SCHEMAS_BYTES_MAX / ROUTE_SCHEMA_BYTES_MAX) + 1;
  const input = { description: "x".repeat(ROUTE_SCHEMA_BYTES_MAX - 100) };
  const routes = Array.from({ length: count }, (_, index) => ({
    ...ORIGIN,
    path: `/r${index}`,
    input,
  }));
  expect(messagesOf(routes)).toEqual([
    `have more than ${ROUTE_SCHEMAS_BYTES_MAX} bytes of input and output in all`,
  ]);
});

function datasetRoute(mode: DatasetHandlerDefinition["mode"]): Route {
  return {
    path: "/cities",
    methods: ["GET"],
    priceAtomic: "1000",
    description: "Rows",
    mimeType: "application/json",
    settlement: "after",
    execution: "after",
    resignGuard: true,
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
    handler: {
      kind: "dataset",
      dataset: "cities",
      store: "acme/cities/1",
      mode,
      key: "id",
      columns: [
        { name: "id", type: "integer", nullable: false },
        { name: "founded", type: "date", nullable: true },
        { name: "tags", type: "json", nullable: true },
      ],
    },
  };
}

const ROW = {
  type: "object",
  properties: {
    id: { type: "integer" },
    founded: { type: ["string", "null"], format: "date" },
    tags: {},
  },
};

test("a list takes filters by type and gives a page of rows", () => {
  const { parameters, output, mediaTypes } = routeSchema(datasetRoute("list"), "GET");
  expect(output).toMatchObject({ properties: { data: { type: "array", items: ROW } } });
  expect(mediaTypes).toEqual(["application/json", "text/csv", "application/x-ndjson"]);
  expect(parameters.slice(0, 3)).toMatchObject([
    {
      name: "id",
      example: "eq.10",
      schema: {
        anyOf: [
          { type: "integer" },
          { pattern: "^(not\\.)?(eq|neq|in|is|gt|gte|lt|lte|between)\\." },
        ],
      },
    },
    { name: "founded", schema: { anyOf: [{ type: "string", format: "date" }, {}] } },
    { name: "tags", example: "is.null", schema: { pattern: "^(not\\.)?(is)\\." } },
  ]);
});

test("a row is asked for by its key, and a download by its format alone", () => {
  const item = routeSchema(datasetRoute("item"), "GET");
  expect(item.output).toEqual(ROW);
  expect(item.parameters).toMatchObject([
    { name: "key", in: "path", required: true, schema: { type: "integer" } },
    { name: "select" },
  ]);
  const download = routeSchema(datasetRoute("download"), "GET");
  expect(download.output).toEqual({ type: "array", items: ROW });
  expect(download.parameters).toMatchObject([{ name: "format" }]);
});

test.each([
  [0, 0],
  [9, 0],
  [10, 1],
  [24, 2],
  [50, 5],
  [1_000, 5],
])("of %i rows, anyone may see %i", (rowCount, shown) => {
  expect(sampleRowsMax(rowCount)).toBe(shown);
});
