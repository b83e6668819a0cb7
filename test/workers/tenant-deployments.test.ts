/** From an upload to a published price, and back again. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { removeDataset } from "../../durable-objects/dataset-store/client.ts";
import {
  deploymentListSchema,
  type DeploymentResponse,
  deploymentResponseSchema,
} from "../../src/contracts/tenant-api.ts";
import { adminTenantDetailSchema } from "../../src/contracts/admin-api.ts";
import {
  type Route,
  type TenantSnapshot,
  tenantSnapshotSchema,
} from "../../src/contracts/snapshot.ts";
import {
  call,
  createTenant,
  deploy,
  manifestOf,
  problemOf,
  type TestTenant,
  uploadCities,
} from "../support/control-plane.ts";

async function sellerOfCities(): Promise<TestTenant> {
  const tenant = await createTenant();
  expect((await uploadCities(tenant)).status).toBe(201);
  return tenant;
}

function postManifest({ apiKey }: TestTenant, manifest: unknown): Promise<Response> {
  return call("POST /v1/deployments", { credential: apiKey, body: manifest });
}

function rollBack({ apiKey }: TestTenant, deploymentId: string): Promise<Response> {
  return call(`POST /v1/deployments/${deploymentId}/rollback`, { credential: apiKey });
}

async function published({ tenantId }: TestTenant): Promise<TenantSnapshot> {
  return tenantSnapshotSchema.parse(await env.SNAPSHOTS.get(`tenant:${tenantId}`, "json"));
}

async function listed({ apiKey }: TestTenant, query = "") {
  const response = await call(`GET /v1/deployments${query}`, { credential: apiKey });
  return deploymentListSchema.parse(await response.json());
}

function datasetOf(handler: Route["handler"] | undefined) {
  if (handler?.kind !== "dataset") throw new Error("expected a dataset route");
  return handler;
}

test("a deployment says where each route is sold, at which price, and what is left of it", async () => {
  const tenant = await sellerOfCities();
  const response = await postManifest(tenant, manifestOf(tenant, "$0.05"));
  expect(response.status).toBe(201);
  const deployment = deploymentResponseSchema.parse(await response.json());
  const sold = {
    methods: ["GET"],
    price: "$0.05",
    priceAtomic: "50000",
    feeAtomic: "2500",
    netAtomic: "47500",
  };
  expect(deployment).toEqual({
    deploymentId: expect.stringMatching(/^dep_[0-9a-f]{32}$/),
    version: 1,
    routes: [
      { url: `https://claw.test/t/${tenant.tenantId}/cities`, ...sold },
      { url: `https://claw.test/t/${tenant.tenantId}/cities/{key}`, ...sold },
    ],
  });
});

test("what was deployed is what the edge reads", async () => {
  const tenant = await sellerOfCities();
  const deployment = await deploy(tenant);
  const snapshot = await published(tenant);
  expect(snapshot).toMatchObject({
    tenantId: tenant.tenantId,
    payTo: tenant.payTo,
    version: 1,
    deploymentId: deployment.deploymentId,
  });
  expect(snapshot.routes.map(({ path, handler }) => [path, datasetOf(handler).mode])).toEqual([
    ["/cities", "list"],
    ["/cities/:key", "item"],
  ]);
});

test("an upload changes nothing on sale until it is deployed", async () => {
  const tenant = await sellerOfCities();
  await deploy(tenant);
  const before = await published(tenant);
  await uploadCities(tenant, "id,country,zip,mayor\n1,PE,01001,x\n");
  expect(await published(tenant)).toEqual(before);
  await deploy(tenant);
  const after = await published(tenant);
  expect(datasetOf(after.routes[0]?.handler).store).not.toBe(
    datasetOf(before.routes[0]?.handler).store,
  );
  expect(datasetOf(after.routes[0]?.handler).columns.map(({ name }) => name)).toContain("mayor");
});

test("a rollback sells the earlier deployment again, with the data it had", async () => {
  const tenant = await sellerOfCities();
  const first = await deploy(tenant, "$0.001");
  const before = await published(tenant);
  await uploadCities(tenant, "id,country,zip\n9,XX,0\n");
  await deploy(tenant, "$0.5");
  const response = await rollBack(tenant, first.deploymentId);
  expect(response.status).toBe(200);
  expect(deploymentResponseSchema.parse(await response.json())).toEqual(first);
  expect(await published(tenant)).toEqual({
    ...before,
    replaced: { version: 2, atMs: expect.any(Number) },
  });
});

test("versions go on counting after a rollback", async () => {
  const tenant = await sellerOfCities();
  const first = await deploy(tenant);
  await deploy(tenant);
  await rollBack(tenant, first.deploymentId);
  expect((await deploy(tenant)).version).toBe(3);
});

test("concurrent deployments get versions of their own, and the highest one is on sale", async () => {
  const tenant = await sellerOfCities();
  const deployments = await Promise.all(
    ["$0.001", "$0.002", "$0.003"].map((price) => deploy(tenant, price)),
  );
  expect(deployments.map(({ version }) => version).toSorted((one, other) => one - other)).toEqual([
    1, 2, 3,
  ]);
  const last = deployments.find(({ version }) => version === 3);
  expect(await published(tenant)).toMatchObject({ version: 3, deploymentId: last?.deploymentId });
});

test("the list of deployments is newest first, names the active one, and pages", async () => {
  const tenant = await sellerOfCities();
  const first = await deploy(tenant);
  await deploy(tenant);
  await deploy(tenant);
  await rollBack(tenant, first.deploymentId);
  const { deployments, nextCursor } = await listed(tenant);
  expect(deployments.map(({ version, active }) => [version, active])).toEqual([
    [3, false],
    [2, false],
    [1, true],
  ]);
  expect(nextCursor).toBeNull();
  const page = await listed(tenant, "?limit=2");
  const rest = await listed(tenant, `?limit=2&cursor=${page.nextCursor}`);
  expect([...page.deployments, ...rest.deployments]).toEqual(deployments);
});

test("a deployment that was refused changes nothing", async () => {
  const tenant = await sellerOfCities();
  const { deploymentId }: DeploymentResponse = await deploy(tenant);
  await postManifest(tenant, manifestOf(tenant, "$0"));
  expect((await published(tenant)).deploymentId).toBe(deploymentId);
  expect((await listed(tenant)).deployments).toHaveLength(1);
});

test("refuses a route on a dataset that was not uploaded, with the remedy", async () => {
  const tenant = await createTenant();
  const response = await postManifest(tenant, manifestOf(tenant));
  expect(await problemOf(response.clone())).toEqual({
    status: 409,
    code: "dataset_not_uploaded",
    fields: ["datasets.cities", "routes[0].dataset"],
  });
  expect(await response.text()).toContain("PUT /v1/datasets/cities");
});

const route = { path: "/cities", dataset: "cities", price: "$0.001" };

test.each([
  [
    "a price without a dollar sign",
    { routes: [{ ...route, price: "0.001" }] },
    "invalid_request",
    "routes[0].price",
  ],
  [
    "a price of zero",
    { routes: [{ ...route, price: "$0.0" }] },
    "price_too_small",
    "routes[0].price",
  ],
  [
    "a price that is a number",
    { routes: [{ ...route, price: 0.001 }] },
    "invalid_request",
    "routes[0].price",
  ],
  [
    "no price",
    { routes: [{ path: "/cities", dataset: "cities" }] },
    "invalid_request",
    "routes[0].price",
  ],
  [
    "a path that climbs",
    { routes: [{ ...route, path: "/../admin" }] },
    "invalid_request",
    "routes[0].path",
  ],
  ["one path twice", { routes: [route, route] }, "invalid_request", "routes[1].path"],
  ["no routes", { routes: [] }, "invalid_request", "routes"],
  ["routes that are no list", { routes: { 0: route } }, "invalid_request", "routes"],
  [
    "a misspelt member",
    { routes: [{ ...route, prise: "$1" }] },
    "invalid_request",
    "routes[0].prise",
  ],
  [
    "a key that is no column",
    { datasets: { cities: { file: "c.csv", key: "code" } } },
    "invalid_request",
    "datasets.cities.key",
  ],
  [
    "a dataset's name that is a path",
    { datasets: { "../x": { file: "c.csv" } } },
    "invalid_request",
    'datasets["../x"]',
  ],
])("refuses %s, naming the field", async (_what, changes, code, field) => {
  const tenant = await sellerOfCities();
  const response = await postManifest(tenant, { ...manifestOf(tenant), ...changes });
  expect(await problemOf(response)).toEqual({ status: 400, code, fields: [field] });
});

test.each(["", "{", "[]", "null", `{"tenant":`])("refuses the manifest %j", async (body) => {
  const tenant = await createTenant();
  expect(await problemOf(await postManifest(tenant, body))).toMatchObject({
    status: 400,
    code: "invalid_request",
  });
});

test("refuses a manifest over the cap, and one nested beyond reason, without breaking", async () => {
  const tenant = await createTenant();
  const large = { ...manifestOf(tenant), padding: "x".repeat(600_000) };
  expect((await postManifest(tenant, large)).status).toBe(413);
  const deep = `{"tenant":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  expect((await postManifest(tenant, deep)).status).toBe(400);
});

test("refuses a manifest of another tenant, whether or not there is one", async () => {
  const [tenant, other] = [await sellerOfCities(), await sellerOfCities()];
  for (const tenantId of [other.tenantId, "nobody-here"]) {
    const response = await postManifest(tenant, { ...manifestOf(tenant), tenant: tenantId });
    expect(await problemOf(response)).toEqual({ status: 403, code: "forbidden", fields: [] });
  }
});

test.each(["dep_unknown", "dep_", "%27%20OR%201=1", "..", "__proto__"])(
  "answers 404 to a rollback to %s",
  async (deploymentId) => {
    expect((await rollBack(await createTenant(), deploymentId)).status).toBe(404);
  },
);

test("the list names what was on sale before: where a rollback without a choice goes", async () => {
  const tenant = await sellerOfCities();
  expect((await listed(tenant)).previousDeploymentId).toBeNull();
  const good = await deploy(tenant);
  expect((await listed(tenant)).previousDeploymentId).toBeNull();
  const bad = await deploy(tenant);
  await rollBack(tenant, good.deploymentId);
  const worse = await deploy(tenant);
  // Not the version before, which was taken back, but the one that was on sale.
  expect((await listed(tenant)).previousDeploymentId).toBe(good.deploymentId);
  await rollBack(tenant, good.deploymentId);
  expect((await listed(tenant)).previousDeploymentId).toBe(worse.deploymentId);
  expect([bad.version, worse.version]).toEqual([2, 3]);
});

test("a rollback that is sent again changes nothing", async () => {
  const tenant = await sellerOfCities();
  const first = await deploy(tenant);
  const second = await deploy(tenant);
  expect((await rollBack(tenant, first.deploymentId)).status).toBe(200);
  expect((await rollBack(tenant, first.deploymentId)).status).toBe(200);
  expect((await listed(tenant)).previousDeploymentId).toBe(second.deploymentId);
});

test("a rollback to what can't be sold any more is refused, and what is on sale stays", async () => {
  const tenant = await sellerOfCities();
  const first = await deploy(tenant);
  const lost = datasetOf((await published(tenant)).routes[0]?.handler).store;
  await uploadCities(tenant);
  const second = await deploy(tenant);
  await removeDataset(env.DATASET_STORE, lost);
  const response = await rollBack(tenant, first.deploymentId);
  expect(await response.json()).toMatchObject({
    code: "deployment_incomplete",
    missing: ["dataset cities"],
  });
  expect((await published(tenant)).deploymentId).toBe(second.deploymentId);
});

test("every write is on record, in order", async () => {
  const tenant = await sellerOfCities();
  const first = await deploy(tenant);
  await deploy(tenant);
  await rollBack(tenant, first.deploymentId);
  const response = await call(`GET /admin/tenants/${tenant.tenantId}`, {
    credential: env.OPERATOR_TOKEN,
  });
  const { audit } = adminTenantDetailSchema.parse(await response.json());
  expect(audit.toReversed().map(({ actor, action }) => `${actor} ${action}`)).toEqual([
    "operator tenant.create",
    "tenant dataset.upload",
    "tenant deployment.create",
    "tenant deployment.create",
    "tenant deployment.rollback",
  ]);
});
