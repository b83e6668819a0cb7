/** How tenants come to be: by operators only, each with an id, a number, a deposit account and a key of its own. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { z } from "zod";
import { adminTenantDetailSchema, adminTenantListSchema } from "../../src/contracts/admin-api.ts";
import { tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import {
  call,
  createTenant,
  freshTenantId,
  problemOf,
  type TestTenant,
  WALLET,
} from "../support/control-plane.ts";

const operator = env.OPERATOR_TOKEN;

function create(body: unknown, credential: string | undefined = operator): Promise<Response> {
  return call("POST /v1/tenants", { credential, body });
}

/** Every text and number in every table of the directory, as one string. */
async function dumpDirectory(): Promise<string> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_cf_*'",
  ).all<{ name: string }>();
  const dumps = await Promise.all(
    tables.map(({ name }) => env.DB.prepare(`SELECT * FROM "${name}"`).all()),
  );
  return JSON.stringify(dumps.map(({ results }) => results));
}

test("a new tenant gets a key, a deposit account and a published snapshot without routes", async () => {
  const tenantId = freshTenantId();
  const response = await create({ tenantId, wallet: WALLET.toUpperCase().replace("0X", "0x") });
  expect(response.status).toBe(201);
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  const tenant = await response.json<TestTenant>();
  expect(tenant).toMatchObject({ tenantId, plan: "free", wallet: WALLET });
  expect(tenant.payTo).toMatch(/^0x[0-9a-f]{40}$/);
  expect(tenant.payTo).not.toBe(WALLET);

  const published = tenantSnapshotSchema.parse(
    await env.SNAPSHOTS.get(`tenant:${tenantId}`, "json"),
  );
  expect(published).toMatchObject({
    tenantId,
    payTo: tenant.payTo,
    network: "eip155:84532",
    plan: "free",
    version: 0,
    deploymentId: null,
    routes: [],
  });
});

test("numbers grow and deposit accounts differ", async () => {
  const tenants = [await createTenant(), await createTenant(), await createTenant()];
  const serials = await Promise.all(tenants.map(serialOf));
  expect(serials).toEqual(serials.toSorted((one, other) => one - other));
  expect(new Set(serials).size).toBe(3);
  expect(new Set(tenants.map(({ payTo }) => payTo)).size).toBe(3);
});

test("the key is kept as a hash: it appears nowhere in the directory nor in KV", async () => {
  const { apiKey, tenantId } = await createTenant();
  const dump = await dumpDirectory();
  expect(dump).toContain(tenantId);
  expect(dump).toContain(apiKey.slice(0, 12));
  expect(dump).not.toContain(apiKey);
  expect(dump).not.toContain(apiKey.slice("claw_".length));
  expect(await env.SNAPSHOTS.get(`tenant:${tenantId}`)).not.toContain(apiKey);
});

test("an id is given out once", async () => {
  const { tenantId } = await createTenant();
  const response = await create({ tenantId, wallet: WALLET });
  expect(await problemOf(response)).toEqual({
    status: 409,
    code: "tenant_exists",
    fields: ["tenantId"],
  });
});

test("of several requests for one id at the same time one wins", async () => {
  const tenantId = freshTenantId();
  const responses = await Promise.all(
    Array.from({ length: 5 }, () => create({ tenantId, wallet: WALLET })),
  );
  expect(responses.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
    201, 409, 409, 409, 409,
  ]);
});

test("the id of a deleted tenant is never given out again", async () => {
  const tenant = await createTenant();
  await env.DB.prepare("UPDATE tenants SET status = 'deleted' WHERE tenant_id = ?")
    .bind(tenant.tenantId)
    .run();
  expect((await create({ tenantId: tenant.tenantId, wallet: WALLET })).status).toBe(409);
  expect((await call("GET /v1/deployments", { credential: tenant.apiKey })).status).toBe(401);
});

test("a wallet may serve two tenants, but never be where a tenant is paid", async () => {
  const { payTo } = await createTenant();
  const response = await create({ tenantId: freshTenantId(), wallet: payTo });
  expect(await problemOf(response)).toEqual({
    status: 409,
    code: "tenant_exists",
    fields: ["wallet"],
  });
});

test.each([
  ["an id in upper case", { tenantId: "Acme" }, ["tenantId"]],
  ["a reserved id", { tenantId: "admin" }, ["tenantId"]],
  ["a path as id", { tenantId: "../acme" }, ["tenantId"]],
  ["an id that is no string", { tenantId: { toString: "acme" } }, ["tenantId"]],
  ["no wallet", { wallet: undefined }, ["wallet"]],
  ["a wallet that is no address", { wallet: "0x1234" }, ["wallet"]],
  ["the zero address", { wallet: `0x${"00".repeat(20)}` }, ["wallet"]],
  ["the asset itself", { wallet: "0x036CbD53842c5426634e7929541eC2318f3dCF7e" }, ["wallet"]],
  ["an unknown plan", { plan: "gold" }, ["plan"]],
  ["direct collection without a proof", { collection: "direct" }, ["walletProof"]],
  ["an unknown member", { serial: 1 }, ["serial"]],
])("refuses %s, naming the field", async (_what, overrides, fields) => {
  const response = await create({ tenantId: freshTenantId(), wallet: WALLET, ...overrides });
  expect(await problemOf(response)).toEqual({ status: 400, code: "invalid_request", fields });
});

test.each(["", "{", "null", "[]", '"acme"'])("refuses the body %j", async (body) => {
  expect(await problemOf(await create(body))).toMatchObject({
    status: 400,
    code: "invalid_request",
  });
});

test("refuses a body over the cap before parsing it", async () => {
  const response = await create({ tenantId: freshTenantId(), wallet: "0".repeat(17_000) });
  expect(await problemOf(response)).toMatchObject({ status: 413, code: "payload_too_large" });
});

test("only an operator makes tenants and sees them", async () => {
  const { apiKey, tenantId } = await createTenant();
  const body = { tenantId: freshTenantId(), wallet: WALLET };
  for (const target of [
    "POST /v1/tenants",
    "GET /admin/tenants",
    `GET /admin/tenants/${tenantId}`,
  ]) {
    const withBody = target.startsWith("POST") ? { body } : {};
    const anonymous = await call(target, withBody);
    expect(anonymous.status).toBe(401);
    expect(anonymous.headers.get("WWW-Authenticate")).toMatch(/^Bearer /);
    for (const credential of [apiKey, `${operator}x`, operator.slice(1), "x"]) {
      expect((await call(target, { credential, ...withBody })).status).toBe(403);
    }
  }
});

test("answers 405 with the methods there are, and 404 for what does not exist", async () => {
  const wrongMethod = await call("DELETE /v1/tenants", { credential: operator });
  expect(wrongMethod.status).toBe(405);
  expect(wrongMethod.headers.get("Allow")).toBe("POST");
  expect(await problemOf(await call("GET /v1/nothing"))).toMatchObject({ code: "not_found" });
});

test("operators page through tenants in the order of their numbers", async () => {
  const tenants = [await createTenant(), await createTenant(), await createTenant()];
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const path: string = `/admin/tenants?limit=2${cursor === null ? "" : `&cursor=${cursor}`}`;
    const response = await call(`GET ${path}`, { credential: operator });
    const page = adminTenantListSchema.parse(await response.json());
    seen.push(...page.tenants.map(({ tenantId }) => tenantId));
    cursor = page.nextCursor;
  } while (cursor !== null);
  expect(seen).toEqual(expect.arrayContaining(tenants.map(({ tenantId }) => tenantId)));
  expect(new Set(seen).size).toBe(seen.length);
});

test("operators see a tenant with its keys' prefixes and what was done, never a key or its hash", async () => {
  const { apiKey, tenantId } = await createTenant();
  const response = await call(`GET /admin/tenants/${tenantId}`, { credential: operator });
  const text = await response.text();
  const tenant = adminTenantDetailSchema.parse(JSON.parse(text));
  expect(tenant.apiKeys.map(({ prefix }) => prefix)).toEqual([apiKey.slice(0, 12)]);
  expect(tenant.audit).toMatchObject([
    { actor: "operator", action: "tenant.create", subject: tenantId },
  ]);
  expect(text).not.toContain(apiKey);
  expect(text).not.toContain("hash");
});

test.each(["nobody-here", "Acme", "..%2facme", "%00", "a".repeat(5_000)])(
  "operators get 404 for the tenant %s",
  async (tenantId) => {
    const response = await call(`GET /admin/tenants/${tenantId}`, { credential: operator });
    expect(response.status).toBe(404);
  },
);

async function serialOf({ tenantId }: TestTenant): Promise<number> {
  const serial = await env.DB.prepare("SELECT serial FROM tenants WHERE tenant_id = ?")
    .bind(tenantId)
    .first("serial");
  return z.number().parse(serial);
}
