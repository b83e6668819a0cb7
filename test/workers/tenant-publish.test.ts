/** D1 and KV share no transaction: whatever happens between them, KV ends with what D1 says is active. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { type TenantSnapshot, tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import { insertDeployment } from "../../src/tenant/directory/deployments.ts";
import { readTenant, type TenantRecord } from "../../src/tenant/directory/tenants.ts";
import { publishTenant } from "../../src/tenant/publish-tenant.ts";
import { manifestSchema } from "../../src/contracts/manifest.ts";
import { createTenant, manifestOf } from "../support/control-plane.ts";

const NOW_MS = Date.now();

async function freshTenant(): Promise<TenantRecord> {
  const { tenantId } = await createTenant();
  const tenant = await readTenant(env.DB, tenantId);
  if (tenant === null) throw new Error("the tenant was just created");
  return tenant;
}

function deployNothing(tenant: TenantRecord): Promise<number> {
  return insertDeployment(env.DB, tenant, {
    deploymentId: `dep_${crypto.randomUUID()}`,
    manifest: manifestSchema.parse(manifestOf(tenant)),
    routes: [],
    createdAtMs: NOW_MS,
  });
}

async function publishedVersion(tenant: TenantRecord): Promise<number> {
  const snapshot = await env.SNAPSHOTS.get(`tenant:${tenant.tenantId}`, "json");
  return tenantSnapshotSchema.parse(snapshot).version;
}

/** The real bindings, with something done around KV's writes. */
function withPut(put: (key: string, text: string) => Promise<void>) {
  const namespace: Pick<KVNamespace, "put"> = Object.assign(Object.create(null), { put });
  return { DB: env.DB, SNAPSHOTS: namespace as KVNamespace };
}

test("a publisher that was overtaken between D1 and KV puts the later version back", async () => {
  const tenant = await freshTenant();
  await deployNothing(tenant);
  let overtaken = false;
  const slow = withPut(async (key, text) => {
    if (!overtaken) {
      overtaken = true;
      await deployNothing(tenant);
      await publishTenant(env, tenant.tenantId, NOW_MS);
    }
    await env.SNAPSHOTS.put(key, text);
  });
  await publishTenant(slow, tenant.tenantId, NOW_MS);
  expect(await publishedVersion(tenant)).toBe(2);
});

test("a write that KV refuses once is tried again", async () => {
  const tenant = await freshTenant();
  await deployNothing(tenant);
  const written: TenantSnapshot[] = [];
  let refusals = 1;
  const refusing = withPut(async (_key, text) => {
    refusals -= 1;
    if (refusals >= 0) throw new Error("KV PUT failed: 429 Too Many Requests");
    written.push(tenantSnapshotSchema.parse(JSON.parse(text)));
  });
  await publishTenant(refusing, tenant.tenantId, NOW_MS);
  expect(written.map(({ version }) => version)).toEqual([1]);
});

test("says so when KV keeps refusing", async () => {
  const tenant = await freshTenant();
  const refusing = withPut(() => Promise.reject(new Error("KV is down")));
  await expect(publishTenant(refusing, tenant.tenantId, NOW_MS)).rejects.toThrow("KV is down");
});
