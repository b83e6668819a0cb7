import { expect, test } from "vitest";
import { manifestSchema } from "../../src/contracts/manifest.ts";

const ROUTE = { path: "/cities", dataset: "cities", price: "$0.001" };

function issuePaths(manifest: unknown): string[] {
  const parsed = manifestSchema.safeParse(manifest);
  return parsed.success ? [] : parsed.error.issues.map((issue) => issue.path.join("."));
}

test("fills in what a short manifest leaves out", () => {
  const manifest = manifestSchema.parse({ tenant: "acme", routes: [ROUTE] });
  expect(manifest.routes[0]).toEqual({
    ...ROUTE,
    mode: "list",
    methods: ["GET"],
    settlement: "after",
    resignGuard: true,
    execution: "after",
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
  });
});

test.each([
  "/",
  "/a/",
  "//a",
  "/A",
  "/a/../b",
  "/a/./b",
  "/.",
  "/a%2fb",
  "/a?b",
  "/:key",
  "/a b",
  "a",
  "",
])("refuses the path %j", (path) => {
  expect(issuePaths({ tenant: "acme", routes: [{ ...ROUTE, path }] })).toEqual(["routes.0.path"]);
});

test.each([
  "0.001",
  "$",
  "$.5",
  "$1.",
  "$-1",
  "$1e3",
  "$01",
  "$1,000",
  "$0.0000001",
  "$1000000",
  "€1",
  1,
  null,
])("refuses the price %j", (price) => {
  expect(issuePaths({ tenant: "acme", routes: [{ ...ROUTE, price }] })).toEqual(["routes.0.price"]);
});

test.each([
  ["an unknown member", { tenant: "acme", routes: [ROUTE], price: "$1" }, [""]],
  [
    "an unknown member of a route",
    { tenant: "acme", routes: [{ ...ROUTE, prise: "$1" }] },
    ["routes.0"],
  ],
  ["no routes", { tenant: "acme", routes: [] }, ["routes"]],
  [
    "too many routes",
    { tenant: "acme", routes: Array.from({ length: 201 }, () => ROUTE) },
    ["routes"],
  ],
  ["a reserved tenant", { tenant: "admin", routes: [ROUTE] }, ["tenant"]],
  [
    "a dataset's name with a slash",
    { tenant: "acme", routes: [{ ...ROUTE, dataset: "a/b" }] },
    ["routes.0.dataset"],
  ],
  [
    "a declaration without a file",
    { tenant: "acme", datasets: { cities: {} }, routes: [ROUTE] },
    ["datasets.cities.file"],
  ],
  [
    "an unknown type",
    {
      tenant: "acme",
      datasets: { cities: { file: "c.csv", types: { zip: "text" } } },
      routes: [ROUTE],
    },
    ["datasets.cities.types.zip"],
  ],
  [
    "a method that is none",
    { tenant: "acme", routes: [{ ...ROUTE, methods: ["FETCH"] }] },
    ["routes.0.methods.0"],
  ],
  ["an array", [], [""]],
  ["null", null, [""]],
])("names the field of %s", (_what, manifest, paths) => {
  expect(issuePaths(manifest)).toEqual(paths);
});

test("takes both versions of x402 unless v1 is left out, and never leaves v2 out", () => {
  const manifest = { tenant: "acme", routes: [ROUTE] };
  expect(manifestSchema.parse(manifest).x402Versions).toEqual([1, 2]);
  expect(manifestSchema.parse({ ...manifest, x402Versions: [2] }).x402Versions).toEqual([2]);
  for (const x402Versions of [[], [1], [3], [2, 2, 2]]) {
    expect(issuePaths({ ...manifest, x402Versions })[0]).toMatch(/^x402Versions/);
  }
});
