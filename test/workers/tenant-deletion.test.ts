/** The end of a tenant: refused while anything is open; otherwise sales stop, and what it brought goes. */
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { openDataset } from "../../durable-objects/dataset-store/client.ts";
import { adminTenantDetailSchema, adminTenantListSchema } from "../../src/contracts/admin-api.ts";
import { openBusinessSchema } from "../../src/contracts/open-business.ts";
import { tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import { deletedTenantSchema } from "../../src/contracts/tenant-lifecycle.ts";
import { listLatestDatasets } from "../../src/tenant/directory/datasets.ts";
import { listTenantsToEmpty, markDeleted } from "../../src/tenant/directory/delete-tenant.ts";
import { readTenant } from "../../src/tenant/directory/tenants.ts";
import { sweepDeletedTenants } from "../../src/tenant/empty-tenant.ts";
import {
  call,
  createTenant,
  deploy,
  problemOf,
  type TestTenant,
  uploadCities,
  WALLET,
} from "../support/control-plane.ts";
import { confirmSales, sellCall, stageCall } from "../support/settled-payments.ts";

const HOUR_MS = 60 * 60_000;

/** Of everything a tenant may bring: a dataset, code, a secret, a request for higher limits, a deployment. */
async function settledTenant(): Promise<TestTenant> {
  const tenant = await createTenant();
  await uploadCities(tenant);
  await call("PUT /v1/secrets/WEATHER_KEY", {
    credential: tenant.apiKey,
    body: { value: "Bearer of-the-weather" },
  });
  await env.SCRIPTS.put(`${tenant.tenantId}/${"a".repeat(64)}`, "code");
  const asked = await call("POST /v1/limit-overrides", {
    credential: tenant.apiKey,
    body: { limits: { cpuMs: 500 }, reason: "a launch" },
  });
  expect(asked.status).toBe(201);
  await deploy(tenant);
  return tenant;
}

function leave({ tenantId, apiKey }: TestTenant): Promise<Response> {
  return call(`DELETE /v1/tenant?confirm=${tenantId}`, { credential: apiKey });
}

async function recordOf({ tenantId }: TestTenant) {
  const tenant = await readTenant(env.DB, tenantId);
  if (tenant === null) throw new Error("a tenant's row is never deleted");
  return tenant;
}

async function storesOf(tenant: TestTenant): Promise<string[]> {
  const { serial } = await recordOf(tenant);
  return (await listLatestDatasets(env.DB, serial)).map(({ store }) => store);
}

async function countOf(table: string, tenant: TestTenant): Promise<unknown> {
  const { serial } = await recordOf(tenant);
  return env.DB.prepare(`SELECT COUNT(*) AS count FROM ${table} WHERE tenant_serial = ?`)
    .bind(serial)
    .first("count");
}

describe("a tenant that has nothing open", () => {
  test("is gone with its credentials and all that it had uploaded, and nothing is on sale", async () => {
    const tenant = await settledTenant();
    const [store = ""] = await storesOf(tenant);
    const response = await leave(tenant);
    expect(response.status).toBe(200);
    expect(deletedTenantSchema.parse(await response.json()).tenantId).toBe(tenant.tenantId);

    expect((await call("GET /v1/balance", { credential: tenant.apiKey })).status).toBe(401);
    const emptied = ["api_keys", "tenant_secrets", "dataset_versions", "script_uploads"];
    for (const table of [...emptied, "limit_overrides"]) {
      expect([table, await countOf(table, tenant)]).toEqual([table, 0]);
    }
    expect(await openDataset(env.DATASET_STORE, store).describe()).toEqual({ result: "not_found" });
    expect((await env.SCRIPTS.list({ prefix: `${tenant.tenantId}/` })).objects).toEqual([]);
    const published = await env.SNAPSHOTS.get(`tenant:${tenant.tenantId}`, "json");
    expect(tenantSnapshotSchema.parse(published)).toMatchObject({
      routes: [],
      secrets: {},
      deletedAtMs: expect.any(Number),
    });
  });

  test("leaves its name taken, its deployments and its record behind", async () => {
    const tenant = await settledTenant();
    await leave(tenant);
    const again = await call("POST /v1/tenants", {
      credential: env.OPERATOR_TOKEN,
      body: { tenantId: tenant.tenantId, wallet: WALLET },
    });
    expect(await problemOf(again)).toMatchObject({ status: 409, code: "tenant_exists" });
    expect(await countOf("deployments", tenant)).toBe(1);
    const detail = await call(`GET /admin/tenants/${tenant.tenantId}`, {
      credential: env.OPERATOR_TOKEN,
    });
    const { status, audit, apiKeys, suspension } = adminTenantDetailSchema.parse(
      await detail.json(),
    );
    expect({ status, apiKeys, reason: suspension?.reason }).toEqual({
      status: "deleted",
      apiKeys: [],
      reason: "deleted",
    });
    expect(audit[0]).toMatchObject({ action: "tenant.delete", actor: "tenant" });
  });

  test("takes no payment any more, whatever an edge still believes", async () => {
    const tenant = await settledTenant();
    await leave(tenant);
    await expect(sellCall(tenant)).rejects.toThrow("a fresh payment was");
    const resumed = await call(`POST /admin/tenants/${tenant.tenantId}/resume`, {
      credential: env.OPERATOR_TOKEN,
      body: { reason: "by mistake" },
    });
    expect(resumed.status).toBe(404);
    await expect(sellCall(tenant)).rejects.toThrow("a fresh payment was");
  });

  test("is deleted by an operator with a reason, once, however often that is asked", async () => {
    const tenant = await settledTenant();
    const order = () =>
      call(`POST /admin/tenants/${tenant.tenantId}/delete`, {
        credential: env.OPERATOR_TOKEN,
        body: { reason: "left without paying", confirm: tenant.tenantId },
      });
    const first = deletedTenantSchema.parse(await (await order()).json());
    expect(deletedTenantSchema.parse(await (await order()).json())).toEqual(first);
    const { serial } = await recordOf(tenant);
    const page = await call(`GET /admin/tenants?cursor=${serial - 1}&limit=1`, {
      credential: env.OPERATOR_TOKEN,
    });
    expect(adminTenantListSchema.parse(await page.json()).tenants).toMatchObject([
      { tenantId: tenant.tenantId, status: "deleted", deletedAtMs: first.deletedAtMs },
    ]);
  });
});

describe("a deletion is refused, and changes nothing,", () => {
  async function openAfter(response: Response) {
    expect(response.status).toBe(409);
    const document = await response.json<{ code: string; open: unknown }>();
    expect(document.code).toBe("tenant_not_empty");
    return openBusinessSchema.parse(document.open);
  }

  test("while a payment is not confirmed, and then while it is not paid out", async () => {
    const tenant = await settledTenant();
    await sellCall(tenant);
    expect(await openAfter(await leave(tenant))).toMatchObject({ payments: 1 });
    await confirmSales(tenant);
    const open = await openAfter(await leave(tenant));
    expect(open).toMatchObject({ payments: 0, balances: [{ payableAtomic: "9000" }] });
    expect((await call("GET /v1/balance", { credential: tenant.apiKey })).status).toBe(200);
    await sellCall(tenant);
  });

  test("while a payment is being settled", async () => {
    const tenant = await settledTenant();
    await stageCall(tenant);
    expect(await openAfter(await leave(tenant))).toMatchObject({ payments: 1, balances: [] });
  });

  test("while a payout is on its way", async () => {
    const tenant = await settledTenant();
    await sellCall(tenant);
    await confirmSales(tenant);
    await call("POST /v1/payouts", {
      credential: tenant.apiKey,
      headers: { "Idempotency-Key": "0123456789abcdef" },
    });
    expect(await openAfter(await leave(tenant))).toMatchObject({
      payouts: 1,
      balances: [{ inFlightAtomic: "9000", payableAtomic: "0" }],
    });
  });

  test.each([
    ["without the tenant's id", ""],
    ["with another one", "?confirm=somebody-else"],
    ["with an unknown parameter", "?force=yes"],
  ])("%s", async (_what, query) => {
    const { apiKey } = await createTenant();
    expect((await call(`DELETE /v1/tenant${query}`, { credential: apiKey })).status).toBe(400);
    expect((await call("GET /v1/balance", { credential: apiKey })).status).toBe(200);
  });
});

test("a deletion that was cut short is finished by the sweep, with what was written meanwhile", async () => {
  const tenant = await settledTenant();
  const record = await recordOf(tenant);
  const deletedAtMs = Date.now();
  await markDeleted(env.DB, record, {
    atMs: deletedAtMs,
    actor: "tenant",
    tenantId: tenant.tenantId,
    action: "tenant.delete",
    subject: tenant.tenantId,
    detail: {},
  });
  expect(await storesOf(tenant)).toHaveLength(1);
  const isListed = async () =>
    (await listTenantsToEmpty(env.DB, 1_000)).some(({ serial }) => serial === record.serial);
  // Tenants of the tests before are in line as well.
  const sweep = async (nowMs: number, isDone: () => Promise<boolean>) => {
    for (let round = 0; round < 100 && !(await isDone()); round += 1) {
      await sweepDeletedTenants(env, nowMs);
    }
  };
  await sweep(deletedAtMs + HOUR_MS, async () => !(await isListed()));
  expect(await isListed()).toBe(false);
  expect(await storesOf(tenant)).toEqual([]);
  expect((await env.SCRIPTS.list({ prefix: `${tenant.tenantId}/` })).objects).toEqual([]);
  expect(await countOf("tenant_secrets", tenant)).toBe(0);
});
