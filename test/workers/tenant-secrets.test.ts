/** Tenants' secrets: encrypted wherever they rest, opened in their own place only, rotated, and never read back. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { adminApi } from "../../src/admin/admin-api.ts";
import type { ReEncryptResponse } from "../../src/contracts/secrets.ts";
import { tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import { readSealedSecrets } from "../../src/tenant/directory/secrets.ts";
import { readTenant } from "../../src/tenant/directory/tenants.ts";
import { platformKeysOf } from "../../src/tenant/secrets/platform-keys.ts";
import { openSecret, sealSecret } from "../../src/tenant/secrets/seal.ts";
import { parseTenantId, type TenantId } from "../../src/tenant/tenant-id.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";

const VALUE = "Bearer sk-weather-0123456789";
const KEYS = platformKeysOf(env);

function tenantIdOf(text: string): TenantId {
  const tenantId = parseTenantId(text);
  if (tenantId === null) throw new Error(`not a tenant id: ${text}`);
  return tenantId;
}

function put({ apiKey }: TestTenant, name: string, value: unknown = VALUE): Promise<Response> {
  return call(`PUT /v1/secrets/${name}`, { credential: apiKey, body: { value } });
}

async function names({ apiKey }: TestTenant): Promise<string[]> {
  const response = await call("GET /v1/secrets", { credential: apiKey });
  const { secrets } = await response.json<{ secrets: { name: string }[] }>();
  return secrets.map(({ name }) => name);
}

async function sealedOf({ tenantId }: TestTenant) {
  const tenant = await readTenant(env.DB, tenantId);
  return readSealedSecrets(env.DB, tenant?.serial ?? 0);
}

function sellWeather({ apiKey, tenantId }: TestTenant): Promise<Response> {
  const route = {
    path: "/weather",
    origin: "https://api.example.com/weather",
    originAuth: { header: "Authorization", secret: "WEATHER_KEY" },
    price: "$0.01",
  };
  return call("POST /v1/deployments", {
    credential: apiKey,
    body: { tenant: tenantId, routes: [route] },
  });
}

async function snapshotOf({ tenantId }: TestTenant) {
  return tenantSnapshotSchema.parse(await env.SNAPSHOTS.get(`tenant:${tenantId}`, "json"));
}

describe("sealing", () => {
  const place = { tenantId: tenantIdOf("acme"), name: "WEATHER_KEY" };

  test("what is sealed opens in its place", async () => {
    const sealed = await sealSecret(KEYS, place, VALUE);
    expect(await openSecret(KEYS, place, sealed)).toEqual({ ok: true, value: VALUE });
  });

  test("never gives the same text twice, nor the value's", async () => {
    const first = await sealSecret(KEYS, place, VALUE);
    const second = await sealSecret(KEYS, place, VALUE);
    expect(first.sealed).not.toBe(second.sealed);
    expect(JSON.stringify([first, second])).not.toContain(VALUE);
  });

  test("does not open for another tenant or under another name", async () => {
    const sealed = await sealSecret(KEYS, place, VALUE);
    const elsewhere = [
      { ...place, tenantId: tenantIdOf("other") },
      { ...place, name: "WEATHER_KEY2" },
    ];
    for (const other of elsewhere) {
      expect(await openSecret(KEYS, other, sealed)).toEqual({ ok: false, reason: "not_authentic" });
    }
  });

  test("does not open when a single bit of it was changed", async () => {
    const { keyId, sealed } = await sealSecret(KEYS, place, VALUE);
    const bytes = Buffer.from(sealed, "base64url");
    for (const index of [0, 11, 12, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      const tampered = { keyId, sealed: changed.toString("base64url") };
      expect(await openSecret(KEYS, place, tampered)).toMatchObject({ ok: false });
    }
    expect(await openSecret(KEYS, place, { keyId, sealed: "" })).toMatchObject({ ok: false });
  });

  test("says which key is missing by its id's absence", async () => {
    const { sealed } = await sealSecret(KEYS, place, VALUE);
    expect(await openSecret(KEYS, place, { keyId: "gone", sealed })).toEqual({
      ok: false,
      reason: "unknown_key",
    });
  });
});

describe("the platform's keys", () => {
  const key = Buffer.alloc(32, 7).toString("base64");

  test.each([
    undefined,
    "",
    "[]",
    '[{"id":"a","key":"c2hvcnQ="}]',
    JSON.stringify([
      { id: "a", key },
      { id: "a", key },
    ]),
  ])("%j is refused by name, without the key", (text) => {
    const read = () => platformKeysOf(text === undefined ? {} : { PLATFORM_KEYS: text });
    expect(read).toThrow(/^configuration PLATFORM_KEYS: /);
    expect(read).not.toThrow(key);
  });
});

describe("/v1/secrets", () => {
  test("a secret is written, listed by name, replaced and deleted, and never read back", async () => {
    const tenant = await createTenant();
    const written = await put(tenant, "WEATHER_KEY");
    expect(written.status).toBe(200);
    const text = await written.text();
    const listed = await (await call("GET /v1/secrets", { credential: tenant.apiKey })).text();
    expect(text + listed).not.toContain("sk-weather");
    await put(tenant, "WEATHER_KEY", "Bearer another-value");
    await put(tenant, "B_KEY");
    expect(await names(tenant)).toEqual(["B_KEY", "WEATHER_KEY"]);
    const gone = await call("DELETE /v1/secrets/B_KEY", { credential: tenant.apiKey });
    expect(gone.status).toBe(204);
    expect(await names(tenant)).toEqual(["WEATHER_KEY"]);
    const again = await call("DELETE /v1/secrets/B_KEY", { credential: tenant.apiKey });
    expect(again.status).toBe(404);
    const direct = await call("GET /v1/secrets/WEATHER_KEY", { credential: tenant.apiKey });
    expect([404, 405]).toContain(direct.status);
  });

  test.each([
    ["weather", VALUE],
    ["_KEY", VALUE],
    ["KEY", "short"],
    ["KEY", "two\nlines-of-it"],
    ["KEY", "späte-schlüssel"],
    ["KEY", " leading-space"],
    ["KEY", "x".repeat(4_097)],
    ["KEY", 12_345_678],
  ])("%s = %j is refused, and the refusal does not repeat the value", async (name, value) => {
    const tenant = await createTenant();
    const response = await put(tenant, name, value);
    expect(response.status).toBe(400);
    expect(await response.text()).not.toContain(String(value));
    expect(await names(tenant)).toEqual([]);
  });

  test("there are at most 32", async () => {
    const tenant = await createTenant();
    for (let index = 0; index < 32; index += 1) await put(tenant, `KEY_${index}`);
    expect(await problemOf(await put(tenant, "KEY_32"))).toMatchObject({ fields: ["name"] });
    expect((await put(tenant, "KEY_31")).status).toBe(200);
  });

  test("another tenant's key neither sees, changes nor deletes it", async () => {
    const [owner, other] = [await createTenant(), await createTenant()];
    await put(owner, "WEATHER_KEY");
    const before = await sealedOf(owner);
    expect(await names(other)).toEqual([]);
    expect(
      (await call("DELETE /v1/secrets/WEATHER_KEY", { credential: other.apiKey })).status,
    ).toBe(404);
    await put(other, "WEATHER_KEY", "Bearer theirs-instead");
    expect(await sealedOf(owner)).toEqual(before);
    expect((await call("GET /v1/secrets")).status).toBe(401);
  });

  test("nothing that is stored, published, audited or logged has the value", async () => {
    const logged = (["log", "info", "warn", "error"] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation(() => undefined),
    );
    const tenant = await createTenant();
    await put(tenant, "WEATHER_KEY");
    expect((await sellWeather(tenant)).status).toBe(201);
    const admin = await call(`GET /admin/tenants/${tenant.tenantId}`, {
      credential: env.OPERATOR_TOKEN,
    });
    const rows = await env.DB.prepare("SELECT * FROM tenant_secrets").all();
    const audit = await env.DB.prepare("SELECT * FROM audit").all();
    const snapshot = await env.SNAPSHOTS.get(`tenant:${tenant.tenantId}`);
    const lines = logged.flatMap((spy) => spy.mock.calls);
    vi.restoreAllMocks();
    const everything = JSON.stringify([rows, audit, snapshot, await admin.text(), lines]);
    expect(everything).toContain("WEATHER_KEY");
    expect(everything).not.toContain("sk-weather");
  });
});

describe("the published snapshot", () => {
  test("has what the routes name, and follows each change", async () => {
    const tenant = await createTenant();
    await put(tenant, "WEATHER_KEY");
    await put(tenant, "UNUSED_KEY");
    await sellWeather(tenant);
    const { secrets } = await snapshotOf(tenant);
    expect(Object.keys(secrets)).toEqual(["WEATHER_KEY"]);
    await put(tenant, "WEATHER_KEY", "Bearer rotated-value");
    const rotated = (await snapshotOf(tenant)).secrets["WEATHER_KEY"];
    if (rotated === undefined) throw new Error("the secret is published");
    expect(
      await openSecret(KEYS, { tenantId: tenant.tenantId, name: "WEATHER_KEY" }, rotated),
    ).toEqual({ ok: true, value: "Bearer rotated-value" });
    await call("DELETE /v1/secrets/WEATHER_KEY", { credential: tenant.apiKey });
    expect((await snapshotOf(tenant)).secrets).toEqual({});
  });

  test("a route whose secret is not set is not deployed", async () => {
    const tenant = await createTenant();
    expect(await problemOf(await sellWeather(tenant))).toMatchObject({
      status: 400,
      fields: ["routes[0].originAuth.secret"],
    });
  });
});

describe("a rotation of the platform's key", () => {
  async function reEncrypt(bindings: Env, credential: string): Promise<Response> {
    const request = new Request("https://claw.test/secrets/re-encrypt", {
      method: "POST",
      headers: { Authorization: `Bearer ${credential}` },
    });
    return adminApi.fetch(request, bindings, createExecutionContext());
  }

  test("opens old secrets at once, and one pass brings them under the new key", async () => {
    const tenant = await createTenant();
    await put(tenant, "WEATHER_KEY");
    await sellWeather(tenant);
    const newest = { id: "newest", key: Buffer.alloc(32, 9).toString("base64") };
    const rotated = { ...env, PLATFORM_KEYS: JSON.stringify([newest, ...KEYS]) };
    const place = { tenantId: tenant.tenantId, name: "WEATHER_KEY" };
    const stored = async () => {
      const sealed = (await sealedOf(tenant))["WEATHER_KEY"];
      if (sealed === undefined) throw new Error("the secret is stored");
      return sealed;
    };
    const opened = { ok: true, value: VALUE };
    expect(await openSecret(platformKeysOf(rotated), place, await stored())).toEqual(opened);

    // A pass takes 100, which is more than this file wrote.
    const pass = await reEncrypt(rotated, env.OPERATOR_TOKEN);
    expect(await pass.json()).toMatchObject({ remaining: 0, unreadable: 0 });
    expect((await stored()).keyId).toBe("newest");
    const newestAlone = platformKeysOf({ PLATFORM_KEYS: JSON.stringify([newest]) });
    expect(await openSecret(newestAlone, place, await stored())).toEqual(opened);
    const published = (await snapshotOf(tenant)).secrets["WEATHER_KEY"];
    expect(published).toEqual(await stored());

    // And under a configuration that has lost the key, they are counted, and left alone.
    const lost = await (await reEncrypt(env, env.OPERATOR_TOKEN)).json<{ unreadable: number }>();
    expect(lost).toMatchObject({ reEncrypted: 0, remaining: 0 });
    expect(lost.unreadable).toBeGreaterThan(0);
    expect((await stored()).keyId).toBe("newest");
  });

  test("one that was tampered with is counted, and keeps no other from its new key", async () => {
    const [victim, other] = [await createTenant(), await createTenant()];
    for (const tenant of [victim, other]) await put(tenant, "WEATHER_KEY");
    await env.DB.prepare(
      `UPDATE tenant_secrets SET sealed = 'AAAA' || substr(sealed, 5)
       WHERE tenant_serial = (SELECT serial FROM tenants WHERE tenant_id = ?)`,
    )
      .bind(victim.tenantId)
      .run();
    const newest = { id: "newest-2", key: Buffer.alloc(32, 10).toString("base64") };
    const rotated = { ...env, PLATFORM_KEYS: JSON.stringify([newest, ...KEYS]) };
    const pass = await (await reEncrypt(rotated, env.OPERATOR_TOKEN)).json<ReEncryptResponse>();
    expect(pass).toMatchObject({ remaining: 0 });
    expect(pass.unreadable).toBeGreaterThan(0);
    expect((await sealedOf(other))["WEATHER_KEY"]?.keyId).toBe("newest-2");
    expect((await sealedOf(victim))["WEATHER_KEY"]?.keyId).toBe(KEYS[0].id);
  });

  test("is for operators", async () => {
    const { apiKey } = await createTenant();
    expect((await reEncrypt(env, apiKey)).status).toBe(403);
  });
});
