/** What routes say of themselves to those who list paid APIs: the SDK's own object, valid by the SDK's own rules. */
import {
  bazaarResourceServerExtension,
  declareDiscoveryExtension,
  extractDiscoveryInfoFromExtension,
  validateDiscoveryExtension,
  validateDiscoveryExtensionSpec,
} from "@x402/extensions/bazaar";
import { beforeAll, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import type { Column, Route } from "../../src/contracts/snapshot.ts";
import {
  BAZAAR_LENGTH_MAX,
  advertiseBazaar,
  bazaarFixedInfo,
} from "../../src/payment/extensions/bazaar.ts";
import { changedExtension, echoedExtensionsSchema } from "../../src/payment/extensions/echo.ts";
import { sampleOf } from "../../src/payment/extensions/schema-sample.ts";

const CITIES: readonly Column[] = [
  { name: "id", type: "integer", nullable: false },
  { name: "name", type: "string", nullable: false },
  { name: "area", type: "number", nullable: true },
  { name: "capital", type: "boolean", nullable: false },
  { name: "founded", type: "date", nullable: true },
];
const WIDE: readonly Column[] = Array.from({ length: 200 }, (_, index) => ({
  name: `column_${index}`,
  type: "number",
  nullable: true,
}));

const discoverySchema = z.looseObject({
  info: z.looseObject({ input: z.looseObject({ method: z.string() }) }),
  schema: z.looseObject({ properties: z.looseObject({ input: z.unknown() }) }),
});

function datasetRoute(
  mode: "list" | "item" | "download",
  columns = CITIES,
  overrides: Partial<Route> = {},
): Route {
  return {
    path: mode === "item" ? "/cities/:key" : "/cities",
    methods: ["GET", "HEAD"],
    priceAtomic: "10000",
    description: "Cities",
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
      store: "acme/cities/v1",
      mode,
      key: "id",
      columns: [...columns],
    },
    ...overrides,
  };
}

function originRoute(overrides: Partial<Route>): Route {
  return datasetRoute("list", [], {
    path: "/score",
    handler: { kind: "origin", url: "https://api.example.com/score", auth: null },
    ...overrides,
  });
}

const INPUT = {
  type: "object",
  properties: { text: { type: "string" }, limit: { type: "integer", minimum: 1 } },
  required: ["text"],
};
const OUTPUT = {
  type: "object",
  properties: { score: { type: "number" }, labels: { type: "array", items: { type: "string" } } },
};

const ROUTES: [what: string, route: Route, params: Record<string, string>][] = [
  ["a list of rows", datasetRoute("list"), {}],
  ["a row by its key", datasetRoute("item"), { key: "12" }],
  ["a download", datasetRoute("download"), {}],
  ["a list of many columns", datasetRoute("list", WIDE), {}],
  ["a row of many columns", datasetRoute("item", WIDE), { key: "São Paulo" }],
  ["an origin that says nothing", originRoute({}), {}],
  ["a script with a body", originRoute({ methods: ["POST"], input: INPUT, output: OUTPUT }), {}],
  ["a script without a body", originRoute({ input: INPUT, output: OUTPUT }), {}],
  ["a body of which nothing is said", originRoute({ methods: ["PUT"] }), {}],
];

beforeAll(() => {
  // Of formats that the SDK's validator does not know.
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

describe.each(ROUTES)("%s", (_, route, params) => {
  const template = `/t/acme${route.path}`;
  const extension = advertiseBazaar({ route, template, params });

  test("is valid by the SDK's rules, and a facilitator that uses it takes it in", () => {
    const parsed = z.custom<Parameters<typeof validateDiscoveryExtension>[0]>().parse(extension);
    expect(validateDiscoveryExtensionSpec(extension)).toEqual({ valid: true });
    expect(validateDiscoveryExtension(parsed)).toEqual({ valid: true });
    expect(extractDiscoveryInfoFromExtension(parsed)).toEqual(extension["info"]);
  });

  test("is what the SDK declares and its server completes", () => {
    const { info, schema } = discoverySchema.parse(extension);
    const { queryParams, bodyType, body } = info.input;
    const properties = z
      .looseObject({ properties: z.looseObject({}) })
      .parse(schema.properties.input).properties;
    const output = z
      .looseObject({ properties: z.looseObject({ example: z.looseObject({}) }) })
      .optional()
      .parse(schema.properties["output"])?.properties.example;
    const config = {
      method: info.input.method,
      ...(bodyType === undefined
        ? { input: queryParams, inputSchema: properties["queryParams"] }
        : { input: body, inputSchema: properties["body"], bodyType }),
      ...(params["key"] === undefined ? {} : { pathParamsSchema: properties["pathParams"] }),
      ...(output === undefined
        ? {}
        : { output: { example: Object(info["output"]).example, schema: output } }),
    };
    const declared = declareDiscoveryExtension(
      z.custom<Parameters<typeof declareDiscoveryExtension>[0]>().parse(config),
    );
    const completed = bazaarResourceServerExtension.enrichDeclaration?.(declared["bazaar"], {
      method: info.input.method,
      adapter: { getPath: () => template.replace(":key", params["key"] ?? "") },
      routePattern: template,
    });
    expect(extension).toEqual(completed);
  });

  test("fits its share of the header, and comes back unchanged from any URL of the route", () => {
    expect(JSON.stringify(extension).length).toBeLessThanOrEqual(BAZAAR_LENGTH_MAX);
    const echoed = echoedExtensionsSchema.parse({ bazaar: extension });
    expect(changedExtension({ bazaar: bazaarFixedInfo(route) }, echoed)).toBeNull();
    const poisoned = { ...extension, info: { input: { type: "http", method: "DELETE" } } };
    expect(
      changedExtension(
        { bazaar: bazaarFixedInfo(route) },
        echoedExtensionsSchema.parse({ bazaar: poisoned }),
      ),
    ).toBe("bazaar");
  });
});

test("the answer is left out before the columns are", () => {
  const some = WIDE.slice(0, 20);
  const schemaOf = (columns: readonly Column[]) =>
    JSON.stringify(
      advertiseBazaar({ route: datasetRoute("list", columns), template: "/c", params: {} }),
    );
  expect(schemaOf(CITIES)).toContain('"nextCursor"');
  expect(schemaOf(some)).not.toContain('"nextCursor"');
  expect(schemaOf(some)).toContain("column_19");
  expect(schemaOf(WIDE)).not.toContain("column_19");
});

test.each([
  [{ type: "string", enum: ["none", "exact"] }, "none"],
  [{ type: ["integer", "null"] }, 1],
  [{ type: "integer", minimum: 5 }, 5],
  [{ examples: [{ a: 1 }] }, { a: 1 }],
  [{ type: "array", items: { type: "boolean" } }, [true]],
  [{ properties: { at: { type: "string", format: "date-time" } } }, { at: "2026-01-31T12:00:00Z" }],
])("the sample of %j is %j", (schema, sample) => {
  expect(sampleOf(schema)).toEqual(sample);
});
