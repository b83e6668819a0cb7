/** Uploads over HTTP: what is stored, what is reported, what is refused. The parser has tests of its own. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { openDataset } from "../../durable-objects/dataset-store/client.ts";
import { uploadReportSchema } from "../../src/contracts/tenant-api.ts";
import { listLatestDatasets } from "../../src/tenant/directory/datasets.ts";
import { readTenant } from "../../src/tenant/directory/tenants.ts";
import {
  type Call,
  call,
  CITIES_CSV,
  createTenant,
  problemOf,
  type TestTenant,
  uploadCities,
} from "../support/control-plane.ts";

function upload(tenant: TestTenant, target: string, request: Call): Promise<Response> {
  return call(`PUT /v1/datasets/${target}`, { credential: tenant.apiKey, ...request });
}

function csv(body: string): Call {
  return { headers: { "Content-Type": "text/csv" }, body };
}

async function latestDatasets({ tenantId }: TestTenant) {
  const tenant = await readTenant(env.DB, tenantId);
  return tenant === null ? [] : listLatestDatasets(env.DB, tenant.serial);
}

test("an upload is reported with its columns, and its rows are in an object of its own", async () => {
  const tenant = await createTenant();
  const response = await uploadCities(tenant);
  expect(response.status).toBe(201);
  const report = uploadReportSchema.parse(await response.json());
  expect(report).toMatchObject({
    dataset: "cities",
    rows: 2,
    columns: [
      { name: "id", type: "integer", nullable: false },
      { name: "country", type: "string", nullable: false },
      { name: "zip", type: "string", nullable: false },
    ],
  });
  const [recorded] = await latestDatasets(tenant);
  expect(recorded).toMatchObject({
    name: "cities",
    store: `${tenant.tenantId}/cities/${report.version}`,
    key: "id",
    indexes: ["country"],
    rows: 2,
    bytes: CITIES_CSV.length,
  });
  const store = openDataset(env.DATASET_STORE, recorded?.store ?? "");
  expect(await store.describe()).toMatchObject({ result: "described", rowCount: 2 });
});

test.each([
  ["application/json", '[{"id":1},{"id":2}]'],
  ["application/json; charset=utf-8", '[{"id":1},{"id":2}]'],
  ["application/x-ndjson", '{"id":1}\n{"id":2}\n'],
  ["text/csv", "id\n1\n2\n"],
])("reads a body of type %s", async (contentType, body) => {
  const tenant = await createTenant();
  const response = await upload(tenant, "numbers", {
    headers: { "Content-Type": contentType },
    body,
  });
  expect(uploadReportSchema.parse(await response.json())).toMatchObject({
    rows: 2,
    columns: [{ name: "id", type: "integer" }],
  });
});

test("a declared type wins over what the values look like", async () => {
  const tenant = await createTenant();
  const response = await upload(tenant, "cities?type.id=string", csv(CITIES_CSV));
  expect(uploadReportSchema.parse(await response.json()).columns).toContainEqual({
    name: "id",
    type: "string",
    nullable: false,
  });
});

test("each upload is a version of its own, and the newest one counts", async () => {
  const tenant = await createTenant();
  await uploadCities(tenant);
  const [first] = await latestDatasets(tenant);
  await uploadCities(tenant, "id,country\n7,DE\n");
  const [second] = await latestDatasets(tenant);
  expect(second?.store).not.toBe(first?.store);
  expect(second?.rows).toBe(1);
  const store = openDataset(env.DATASET_STORE, first?.store ?? "");
  expect(await store.describe()).toMatchObject({ result: "described", rowCount: 2 });
});

test("uploads of one dataset at the same time all succeed", async () => {
  const tenant = await createTenant();
  const responses = await Promise.all([1, 2, 3].map(() => uploadCities(tenant)));
  expect(responses.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(await latestDatasets(tenant)).toHaveLength(1);
});

test.each([
  ["an unknown parameter", "cities?keys=id", "keys"],
  ["a key given twice", "cities?key=id&key=zip", "key"],
  ["an empty key", "cities?key=", "key"],
  ["a key that is no column", "cities?key=code", "code"],
  ["an index that is no column", "cities?index=code", "code"],
  ["a type that is none", "cities?type.zip=text", "type.zip"],
  ["a type of no column", "cities?type.code=string", "code"],
  ["a type the values contradict", "cities?type.country=integer", "country"],
  ["a name in upper case", "Cities", "name"],
  ["a name that climbs", "..%2fcities", "name"],
])("refuses %s, naming it", async (_what, target, field) => {
  const tenant = await createTenant();
  const response = await upload(tenant, target, csv(CITIES_CSV));
  expect(await problemOf(response)).toEqual({
    status: 400,
    code: "invalid_request",
    fields: [field],
  });
  expect(await latestDatasets(tenant)).toEqual([]);
});

test("refuses a key that is not unique, with its row in the file", async () => {
  const tenant = await createTenant();
  const response = await upload(tenant, "cities?key=id", csv("id\n1\n2\n1\n"));
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    code: "invalid_request",
    reason: "duplicate_key",
    errors: [{ field: "id", row: 4 }],
  });
});

test.each([undefined, "text/plain", "application/zip", "multipart/form-data; boundary=x"])(
  "refuses a body of type %s, naming what is accepted",
  async (contentType) => {
    const tenant = await createTenant();
    const response = await upload(tenant, "cities", {
      body: CITIES_CSV,
      headers: contentType === undefined ? {} : { "Content-Type": contentType },
    });
    expect(response.headers.get("Accept")).toContain("text/csv");
    expect(await problemOf(response)).toMatchObject({
      status: 415,
      code: "unsupported_media_type",
    });
  },
);

test("refuses a body over the cap by its announced length, without reading it", async () => {
  const tenant = await createTenant();
  const response = await upload(tenant, "cities", {
    ...csv(CITIES_CSV),
    headers: { "Content-Type": "text/csv", "Content-Length": "25000001" },
  });
  expect(await problemOf(response)).toMatchObject({ status: 413, code: "payload_too_large" });
});

test("a tenant has at most a hundred datasets, each of which it can go on uploading", async () => {
  const tenant = await createTenant();
  await uploadCities(tenant);
  await env.DB.batch(
    Array.from({ length: 99 }, (_, index) =>
      env.DB.prepare(
        `INSERT INTO dataset_versions (tenant_serial, name, version, store, columns, indexes, rows, bytes, created_at_ms)
         SELECT tenant_serial, ?1, version, ?1 || store, columns, indexes, rows, bytes, created_at_ms
         FROM dataset_versions WHERE store LIKE ?2`,
      ).bind(`d${index}`, `${tenant.tenantId}/cities/%`),
    ),
  );
  expect((await upload(tenant, "cities", csv(CITIES_CSV))).status).toBe(201);
  const response = await upload(tenant, "one-more", csv(CITIES_CSV));
  expect(await problemOf(response)).toMatchObject({ status: 400, fields: ["name"] });
});
