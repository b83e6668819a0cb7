/** A tenant's API keys: made, rotated with an overlap, revoked, never all of them. */
import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import {
  apiKeyListSchema,
  createdApiKeySchema,
  rotatedApiKeySchema,
} from "../../src/contracts/api-keys.ts";
import { adminTenantDetailSchema } from "../../src/contracts/admin-api.ts";
import { API_KEYS_MAX, insertApiKey } from "../../src/tenant/directory/api-keys.ts";
import { readTenant } from "../../src/tenant/directory/tenants.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

afterEach(() => {
  vi.useRealTimers();
});

/** From now on it is that much later. */
function advance(byMs: number): void {
  vi.useFakeTimers({ now: Date.now() + byMs, toFake: ["Date"] });
}

async function make({ apiKey }: Pick<TestTenant, "apiKey">, body?: object) {
  const response = await call("POST /v1/keys", { credential: apiKey, body });
  expect(response.status).toBe(201);
  return createdApiKeySchema.parse(await response.json());
}

async function rotate({ apiKey }: Pick<TestTenant, "apiKey">, body?: object) {
  const response = await call("POST /v1/keys/rotate", { credential: apiKey, body });
  expect(response.status).toBe(201);
  return rotatedApiKeySchema.parse(await response.json());
}

async function list({ apiKey }: Pick<TestTenant, "apiKey">) {
  const response = await call("GET /v1/keys", { credential: apiKey });
  return apiKeyListSchema.parse(await response.json()).keys;
}

async function opens(apiKey: string): Promise<boolean> {
  return (await call("GET /v1/keys", { credential: apiKey })).status === 200;
}

function revoke({ apiKey }: Pick<TestTenant, "apiKey">, prefix: string): Promise<Response> {
  return call(`DELETE /v1/keys/${prefix}`, { credential: apiKey });
}

async function auditOf({ tenantId }: TestTenant): Promise<string> {
  const response = await call(`GET /admin/tenants/${tenantId}`, { credential: env.OPERATOR_TOKEN });
  return JSON.stringify(adminTenantDetailSchema.parse(await response.json()).audit);
}

test("a further key opens the same tenant, and is listed without itself or its hash", async () => {
  const tenant = await createTenant();
  const further = await make(tenant);
  expect(further.tenantId).toBe(tenant.tenantId);
  expect(await opens(further.apiKey)).toBe(true);
  const keys = await list(further);
  expect(keys.map(({ prefix, current }) => [prefix, current])).toEqual(
    expect.arrayContaining([
      [further.prefix, true],
      [tenant.apiKey.slice(0, 12), false],
    ]),
  );
  expect(JSON.stringify(keys)).not.toContain(further.apiKey.slice(0, 20));
  expect(await auditOf(tenant)).not.toContain(further.apiKey.slice(0, 20));
});

test("after a rotation both keys open until the overlap is over, then the new one only", async () => {
  const tenant = await createTenant();
  const rotated = await rotate(tenant, { overlapSeconds: 60 });
  expect(rotated.replaced.prefix).toBe(tenant.apiKey.slice(0, 12));
  expect(await opens(tenant.apiKey)).toBe(true);
  advance(61_000);
  expect(await opens(tenant.apiKey)).toBe(false);
  expect(await opens(rotated.apiKey)).toBe(true);
});

test("a rotation leaves a day of overlap unless it is told otherwise", async () => {
  const tenant = await createTenant();
  const before = Date.now();
  const { replaced } = await rotate(tenant);
  expect(replaced.expiresAtMs - before).toBeGreaterThanOrEqual(DAY_MS);
  expect(replaced.expiresAtMs - before).toBeLessThan(DAY_MS + 60_000);
});

test("a rotation without overlap closes the old key at once", async () => {
  const tenant = await createTenant();
  advance(1_000);
  const rotated = await rotate(tenant, { overlapSeconds: 0 });
  expect([await opens(tenant.apiKey), await opens(rotated.apiKey)]).toEqual([false, true]);
});

test("a key that is to expire does", async () => {
  const tenant = await createTenant();
  const expiresAt = new Date(Date.now() + 60_000).toISOString();
  const { apiKey } = await make(tenant, { expiresAt });
  expect(await opens(apiKey)).toBe(true);
  advance(61_000);
  expect(await opens(apiKey)).toBe(false);
});

test.each([
  ["/v1/keys", { expiresAt: "2001-01-01T00:00:00Z" }, "expiresAt"],
  ["/v1/keys", { expiresAt: "tomorrow" }, "expiresAt"],
  ["/v1/keys/rotate", { overlapSeconds: 604_801 }, "overlapSeconds"],
  ["/v1/keys/rotate", { overlapSeconds: -1 }, "overlapSeconds"],
  ["/v1/keys/rotate", { overlap: 1 }, "overlap"],
])("%s refuses %j", async (path, body, field) => {
  const { apiKey } = await createTenant();
  const response = await call(`POST ${path}`, { credential: apiKey, body });
  expect(await problemOf(response)).toEqual({
    status: 400,
    code: "invalid_request",
    fields: [field],
  });
});

test("a revoked key opens nothing, and is on record", async () => {
  const tenant = await createTenant();
  const further = await make(tenant);
  expect((await revoke(tenant, further.prefix)).status).toBe(204);
  expect(await opens(further.apiKey)).toBe(false);
  expect((await revoke(tenant, further.prefix)).status).toBe(404);
  expect(await auditOf(tenant)).toContain("api_key.revoke");
});

test("the last valid key is never revoked, by two at the same time neither", async () => {
  const tenant = await createTenant();
  const own = tenant.apiKey.slice(0, 12);
  expect(await problemOf(await revoke(tenant, own))).toMatchObject({
    status: 409,
    code: "last_api_key",
  });
  const further = await make(tenant);
  const outcomes = await Promise.all([revoke(tenant, own), revoke(tenant, further.prefix)]);
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set([204, 409]));
  expect([await opens(tenant.apiKey), await opens(further.apiKey)].filter(Boolean)).toHaveLength(1);
});

test("another tenant's key is not there to be revoked", async () => {
  const [tenant, other] = [await createTenant(), await createTenant()];
  expect((await revoke(other, tenant.apiKey.slice(0, 12))).status).toBe(404);
  expect(await opens(tenant.apiKey)).toBe(true);
});

test("the number of valid keys is bounded, and of the others the last few are listed", async () => {
  const tenant = await createTenant();
  for (let made = 1; made < API_KEYS_MAX; made += 1) await make(tenant);
  for (const path of ["/v1/keys", "/v1/keys/rotate"]) {
    const response = await call(`POST ${path}`, { credential: tenant.apiKey });
    expect(await problemOf(response)).toMatchObject({ status: 409, code: "too_many_api_keys" });
  }
  for (let round = 0; round < 24; round += 1) {
    const newest = (await list(tenant)).find((key) => !key.current && key.revokedAtMs === null);
    await revoke(tenant, newest?.prefix ?? "");
    await make(tenant);
  }
  expect((await list(tenant)).length).toBeLessThanOrEqual(API_KEYS_MAX + 21);
});

test("keys that are made at the same time are counted one after the other", async () => {
  const tenant = await createTenant();
  const made = await Promise.all(
    Array.from({ length: API_KEYS_MAX + 3 }, () =>
      call("POST /v1/keys", { credential: tenant.apiKey }),
    ),
  );
  const withStatus = (wanted: number) => made.filter(({ status }) => status === wanted).length;
  expect([withStatus(201), withStatus(409)]).toEqual([API_KEYS_MAX - 1, 4]);
});

test("a key that can't be written where the others are revoked is not taken for one too many", async () => {
  const tenant = await createTenant();
  for (let made = 1; made < API_KEYS_MAX; made += 1) await make(tenant);
  const serial = (await readTenant(env.DB, tenant.tenantId))?.serial ?? 0;
  const atMs = Date.now();
  const broken = { hash: "no hash", prefix: "claw_brokenk", createdAtMs: atMs, expiresAtMs: null };
  const entry = {
    atMs,
    actor: "operator",
    operator: "ann",
    tenantId: tenant.tenantId,
    action: "api_key.create",
    subject: broken.prefix,
    detail: {},
  } as const;
  await expect(insertApiKey(env.DB, serial, broken, entry, "revoked")).rejects.toThrow("CHECK");
  expect(await opens(tenant.apiKey)).toBe(true);
});

test("an operator issues a key to a tenant that lost its own, and may revoke the others", async () => {
  const tenant = await createTenant();
  const issue = (body: object) =>
    call(`POST /admin/tenants/${tenant.tenantId}/keys`, { credential: env.OPERATOR_TOKEN, body });
  const first = createdApiKeySchema.parse(await (await issue({ reason: "lost" })).json());
  expect([await opens(tenant.apiKey), await opens(first.apiKey)]).toEqual([true, true]);
  const second = createdApiKeySchema.parse(
    await (await issue({ reason: "found by others", revokeOthers: true })).json(),
  );
  expect([
    await opens(tenant.apiKey),
    await opens(first.apiKey),
    await opens(second.apiKey),
  ]).toEqual([false, false, true]);
  expect(await auditOf(tenant)).toContain("found by others");
  expect((await issue({})).status).toBe(400);
});
