/** What the directory refuses by its constraints alone, whoever writes to it. */
import { createHash } from "node:crypto";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { makeApiKey } from "../../src/tenant/api-key.ts";
import { findTenantByCredential, isSameSecret } from "../../src/tenant/credentials.ts";
import { takeSerial } from "../../src/tenant/directory/create-tenant.ts";
import { call, createTenant, type TestTenant } from "../support/control-plane.ts";

const NOW_MS = Date.now();

/** The database's complaint about a statement, or null when it took it. */
async function complaintAbout(sql: string, ...values: unknown[]): Promise<string | null> {
  try {
    await env.DB.prepare(sql)
      .bind(...values)
      .run();
    return null;
  } catch (error) {
    return String(error);
  }
}

/** An address that no tenant has, as SQL. */
const NOBODYS = `'0x${"ab".repeat(20)}'`;

/** Writes a copy of some tenant under a number and names of its own, apart from the changes: SQL expressions. */
async function copyTenant(changes: Readonly<Record<string, string>>): Promise<string | null> {
  const { wallet } = await createTenant();
  await env.DB.prepare("INSERT INTO tenant_serials DEFAULT VALUES").run();
  const random = crypto.randomUUID().replaceAll("-", "");
  const copy: Readonly<Record<string, string>> = {
    serial: "(SELECT MAX(serial) FROM tenant_serials)",
    tenant_id: `'c${random.slice(0, 20)}'`,
    plan: "plan",
    wallet: "wallet",
    collection: "collection",
    network: "network",
    pay_to: `'0x${random}${"0".repeat(8)}'`,
    status: "status",
    created_at_ms: "created_at_ms",
    ...changes,
  };
  return complaintAbout(
    `INSERT INTO tenants (${Object.keys(copy).join(", ")})
     SELECT ${Object.values(copy).join(", ")} FROM tenants WHERE wallet = ? LIMIT 1`,
    wallet,
  );
}

test("takes a tenant with a number, an id and a deposit account of its own", async () => {
  expect(await copyTenant({})).toBeNull();
});

test.each([
  ["an id twice", { tenant_id: "tenant_id" }, /UNIQUE.*tenant_id/],
  ["an id in upper case", { tenant_id: "'Copy'" }, /CHECK.*tenant_id/],
  ["a deposit account twice", { pay_to: "pay_to" }, /UNIQUE.*pay_to/],
  ["an address in upper case", { pay_to: `'0x${"CD".repeat(20)}'` }, /CHECK.*pay_to/],
  ["a deposit account that pays itself", { pay_to: NOBODYS, wallet: NOBODYS }, /CHECK.*wallet/],
  ["payments where a tenant is paid out to", { pay_to: "wallet" }, /receives the payments/],
  ["a wallet where a tenant is paid", { wallet: "pay_to" }, /receives the payments/],
  ["a number that was not taken", { serial: "1000000" }, /FOREIGN KEY/],
  ["a number twice", { serial: "serial" }, /UNIQUE.*serial/],
  ["an unknown plan", { plan: "'gold'" }, /CHECK.*plan/],
  ["an unknown status", { status: "'gone'" }, /CHECK.*status/],
  ["a version that was not deployed", { active_version: "1" }, /FOREIGN KEY/],
])("refuses %s", async (_what, changes: Record<string, string>, complaint) => {
  expect(await copyTenant(changes)).toMatch(complaint);
});

test.each([
  ["the number", "UPDATE tenants SET serial = serial + 1000 WHERE tenant_id = ?"],
  ["the id", "UPDATE tenants SET tenant_id = 'other-id' WHERE tenant_id = ?"],
  ["the deposit account", `UPDATE tenants SET pay_to = '0x${"ef".repeat(20)}' WHERE tenant_id = ?`],
  ["the row's existence", "DELETE FROM tenants WHERE tenant_id = ?"],
])("nothing changes %s of a tenant", async (_what, sql) => {
  const { tenantId } = await createTenant();
  expect(await complaintAbout(sql, tenantId)).toMatch(/never/);
});

test.each([
  ["changed", "UPDATE audit SET actor = 'tenant' WHERE tenant_id = ?"],
  ["deleted", "DELETE FROM audit WHERE tenant_id = ?"],
])("an audit entry is never %s", async (_what, sql) => {
  const { tenantId } = await createTenant();
  expect(await complaintAbout(sql, tenantId)).toMatch(/append-only/);
});

test("a number that was taken is not given out again, tenant or not", async () => {
  const first = await takeSerial(env.DB);
  await env.DB.prepare("DELETE FROM tenant_serials WHERE serial = ?").bind(first).run();
  expect(await takeSerial(env.DB)).toBeGreaterThan(first);
});

async function setKey({ apiKey }: TestTenant, column: string, atMs: number): Promise<void> {
  await env.DB.prepare(`UPDATE api_keys SET ${column} = ? WHERE key_hash = ?`)
    .bind(atMs, sha256(apiKey))
    .run();
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

test("a key opens its own tenant until it expires", async () => {
  const tenant = await createTenant();
  await setKey(tenant, "expires_at_ms", NOW_MS + 60_000);
  const find = (nowMs: number) => findTenantByCredential(env.DB, tenant.apiKey, nowMs);
  expect(await find(NOW_MS + 59_999)).toMatchObject({ tenantId: tenant.tenantId });
  expect(await find(NOW_MS + 60_000)).toBeNull();
});

test("a revoked key opens nothing", async () => {
  const tenant = await createTenant();
  // A tenant keeps one valid key.
  await call("POST /v1/keys", { credential: tenant.apiKey });
  await setKey(tenant, "revoked_at_ms", Date.now() + 60_000);
  expect(await findTenantByCredential(env.DB, tenant.apiKey, NOW_MS)).toBeNull();
});

test("a key nobody was given opens nothing, nor does a hash of one", async () => {
  const { apiKey } = await createTenant();
  const stranger = makeApiKey(crypto.getRandomValues(new Uint8Array(32)));
  for (const credential of [stranger, sha256(stranger), sha256(apiKey)]) {
    expect(await findTenantByCredential(env.DB, credential, NOW_MS)).toBeNull();
  }
});

test("secrets are the same only when every character is", async () => {
  expect(await isSameSecret("operator-token", "operator-token")).toBe(true);
  expect(await isSameSecret("operator-token", "operator-tokens")).toBe(false);
  expect(await isSameSecret("", "operator-token")).toBe(false);
});
