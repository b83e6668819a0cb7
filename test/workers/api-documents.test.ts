import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import * as z from "zod";
import { dispatcher } from "../../src/dispatcher/app.ts";
import { handlerOf } from "../../src/dispatcher/handlers.ts";
import { call, createTenant, type TestTenant, uploadCities } from "../support/control-plane.ts";

const app = dispatcher(handlerOf);
const HOST = "https://localhost";

/** 24 rows: two of them may be shown. */
const CSV = [
  "id,name,limit,pop,seen,tags",
  ...Array.from(
    { length: 24 },
    (_, index) => `${index + 1},City ${index + 1},9,1${index}5,2024-01-01T00:00:00Z,"[1]"`,
  ),
].join("\n");

const INPUT = {
  type: "object",
  required: ["q"],
  properties: {
    q: { type: "string", description: "What to look for." },
    page: { type: "integer" },
  },
};

const ROUTES = [
  { path: "/cities", dataset: "cities", price: "$0.001" },
  { path: "/cities/all", dataset: "cities", mode: "download", price: "$0.5" },
  {
    path: "/search",
    origin: "https://api.example.com/search",
    price: "$0.02",
    methods: ["GET", "POST"],
    description: "Full-text search",
    input: INPUT,
    output: { type: "object", properties: { hits: { type: "array" } } },
  },
];

async function openTenant(declaration: object = {}): Promise<TestTenant> {
  const tenant = await createTenant();
  await call("PUT /v1/datasets/cities?key=id", {
    credential: tenant.apiKey,
    headers: { "Content-Type": "text/csv" },
    body: CSV,
  });
  const deployed = await call("POST /v1/deployments", {
    credential: tenant.apiKey,
    body: {
      tenant: tenant.tenantId,
      datasets: { cities: { file: "cities.csv", key: "id", ...declaration } },
      routes: ROUTES,
    },
  });
  expect(deployed.status).toBe(201);
  return tenant;
}

function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return app.fetch(new Request(url, init), env, createExecutionContext());
}

const operationSchema = z
  .object({
    operationId: z.string(),
    summary: z.string(),
    parameters: z.array(
      z
        .object({
          name: z.string(),
          in: z.enum(["path", "query"]),
          required: z.boolean(),
          schema: z.record(z.string(), z.unknown()),
          example: z.string().optional(),
        })
        .loose(),
    ),
    responses: z.record(z.string().regex(/^\d{3}$/), z.record(z.string(), z.unknown())),
  })
  .loose();
const openApiSchema = z
  .object({
    openapi: z.literal("3.1.0"),
    info: z.object({ title: z.string(), version: z.string() }).loose(),
    servers: z.tuple([z.object({ url: z.url() })]),
    paths: z.record(z.string().startsWith("/"), z.record(z.string(), operationSchema)),
    components: z.record(z.string(), z.record(z.string(), z.unknown())),
  })
  .loose();

async function openApiOf(base: string) {
  const response = await ask(`${base}/openapi.json`);
  expect(response.headers.get("Content-Type")).toBe("application/json");
  return openApiSchema.parse(await response.json());
}

it("openapi.json says what is sold, what it takes and gives, and at which price", async () => {
  const { tenantId, payTo } = await openTenant();
  const base = `${HOST}/t/${tenantId}`;
  const document = await openApiOf(base);
  expect(document.servers[0].url).toBe(base);
  expect(Object.keys(document.paths)).toEqual([
    "/cities",
    "/cities/{key}",
    "/cities/all",
    "/search",
  ]);
  const list = document.paths["/cities"]?.["get"];
  expect(list).toMatchObject({
    "x-payment-info": {
      price: { mode: "fixed", currency: "USD", amount: "0.001" },
      protocols: [{ x402: {} }],
    },
    "x-402claw-accepts": [{ scheme: "exact", amount: "1000", payTo }],
    responses: {
      "200": {
        content: {
          "application/json": {
            schema: {
              properties: {
                data: {
                  items: {
                    properties: {
                      id: { type: "integer" },
                      seen: { type: "string", format: "date-time" },
                      tags: {},
                    },
                  },
                },
              },
            },
          },
          "text/csv": {},
        },
      },
      "402": { $ref: "#/components/responses/PaymentRequired" },
      "409": { $ref: "#/components/responses/Problem409" },
      "412": { $ref: "#/components/responses/Problem412" },
      "503": { $ref: "#/components/responses/Problem503" },
    },
  });
  const names = list?.parameters.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["id", "pop", "select", "order", "cursor"]));
});

it("what a tenant says of an origin is the query of a GET and the body of a POST", async () => {
  const { tenantId } = await openTenant();
  const { paths } = await openApiOf(`${HOST}/t/${tenantId}`);
  expect(paths["/search"]?.["get"]).toMatchObject({
    summary: "Full-text search",
    parameters: [
      { name: "q", in: "query", required: true, description: "What to look for." },
      { name: "page", in: "query", required: false },
    ],
  });
  expect(paths["/search"]?.["post"]).toMatchObject({
    parameters: [],
    requestBody: { content: { "application/json": { schema: INPUT } } },
    responses: { "200": { content: { "application/json": { schema: ROUTES[2]?.output } } } },
  });
});

it("every reference of openapi.json leads somewhere, and ids and parameters are unique", async () => {
  const { tenantId } = await openTenant();
  const document = await openApiOf(`${HOST}/t/${tenantId}`);
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g);
  for (const [, section = "", name = ""] of references) {
    expect(document.components[section]?.[name], "a $ref that leads nowhere").toBeDefined();
  }
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.values(item).map((operation) => ({ path, ...operation })),
  );
  const ids = operations.map(({ operationId }) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, parameters } of operations) {
    const places = parameters.map(({ in: place, name }) => `${place} ${name}`);
    expect(new Set(places).size).toBe(places.length);
    const inPath = parameters.filter((parameter) => parameter.in === "path");
    expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
  }
});

it("every example of openapi.json is taken: a malformed parameter would be a 400", async () => {
  const { tenantId } = await openTenant();
  const base = `${HOST}/t/${tenantId}`;
  const { paths } = await openApiOf(base);
  for (const { parameters } of [paths["/cities"]?.["get"], paths["/cities/all"]?.["get"]].flatMap(
    (operation) => operation ?? [],
  )) {
    for (const { name, example } of parameters) {
      if (example === undefined) continue;
      const query = new URLSearchParams({ [name]: example });
      const response = await ask(`${base}/cities?${query.toString()}`);
      expect(response.status, `${name}=${example}`).toBe(402);
    }
  }
  const unknown = await ask(`${base}/cities?nothing=1`);
  expect(unknown.status).toBe(400);
});

it("schema has the columns and prices of each dataset", async () => {
  const { tenantId } = await openTenant();
  const response = await ask(`${HOST}/t/${tenantId}/schema`);
  expect(await response.json()).toMatchObject({
    tenant: tenantId,
    datasets: {
      cities: {
        key: "id",
        columns: [
          { name: "id", type: "integer", nullable: false },
          { name: "name", type: "string" },
          { name: "_limit", type: "integer" },
          { name: "pop", type: "integer" },
          { name: "seen", type: "datetime" },
          { name: "tags", type: "json", operators: ["is"] },
        ],
        routes: [
          { path: "/cities", mode: "list", price: "$0.001" },
          { path: "/cities/:key", mode: "item", price: "$0.001" },
          { path: "/cities/all", mode: "download", price: "$0.5" },
        ],
      },
    },
  });
});

it("sample shows one row in ten, and none where the tenant does not want it", async () => {
  const { tenantId } = await openTenant();
  const response = await ask(`${HOST}/t/${tenantId}/sample`);
  expect(await response.json()).toMatchObject({
    datasets: { cities: { rows: [{ id: 1, name: "City 1", tags: [1] }, { id: 2 }] } },
  });
  const closed = await openTenant({ sample: false });
  const nothing = await ask(`${HOST}/t/${closed.tenantId}/sample`);
  expect(await nothing.json()).toEqual({ tenant: closed.tenantId, datasets: {} });
});

it("a dataset of two rows is not given away as its own sample", async () => {
  const tenant = await createTenant();
  await uploadCities(tenant);
  await call("POST /v1/deployments", {
    credential: tenant.apiKey,
    body: { tenant: tenant.tenantId, routes: [ROUTES[0]] },
  });
  const response = await ask(`${HOST}/t/${tenant.tenantId}/sample`);
  expect(await response.json()).toMatchObject({ datasets: { cities: { rows: [] } } });
});

it("the documents are free, cached, and the same below the tenant's host", async () => {
  const { tenantId } = await openTenant();
  const response = await ask(`https://${tenantId}.localhost/openapi.json`);
  expect(response.status).toBe(200);
  expect(response.headers.get("Cache-Control")).toBe("public, max-age=60");
  const document = openApiSchema.parse(await response.json());
  expect(document.servers[0].url).toBe(`https://${tenantId}.localhost`);
  const etag = response.headers.get("ETag") ?? "";
  const again = await ask(`https://${tenantId}.localhost/openapi.json`, {
    headers: { "If-None-Match": `"other", W/${etag}` },
  });
  expect(again.status).toBe(304);
  const posted = await ask(`https://${tenantId}.localhost/openapi.json`, { method: "POST" });
  expect(posted.status).toBe(405);
});
