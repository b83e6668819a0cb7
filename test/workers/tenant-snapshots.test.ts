/** What the edge sees of a tenant: through KV, through the isolate's copy, and through faults of either. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { TenantSnapshot } from "../../src/contracts/snapshot.ts";
import { publishSnapshot, readSnapshot } from "../../src/tenant/snapshots.ts";
import { parseTenantId, type TenantId } from "../../src/tenant/tenant-id.ts";

const NOW_MS = 1_800_000_000_000;

function freshTenant(): TenantId {
  const tenantId = parseTenantId(`t${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`);
  if (tenantId === null) throw new Error("a random name is a tenant id");
  return tenantId;
}

function snapshotOf(tenantId: TenantId, version: number): TenantSnapshot {
  return {
    tenantId,
    serial: 7,
    plan: "free",
    collection: "treasury",
    payTo: `0x${"ab".repeat(20)}`,
    network: "eip155:84532",
    version,
    deploymentId: null,
    routes: [],
    secrets: {},
    limitOverrides: [],
  };
}

/** As another place would write it: past this isolate's copy. */
function publishElsewhere(snapshot: TenantSnapshot): Promise<void> {
  return env.SNAPSHOTS.put(`tenant:${snapshot.tenantId}`, JSON.stringify(snapshot));
}

/** KV that counts its reads and can fail. */
function countedStore(failing = { reads: false }) {
  const counts = { reads: 0 };
  const namespace: Pick<KVNamespace, "get" | "put"> = Object.assign(Object.create(null), {
    get: (key: string) => {
      counts.reads += 1;
      return failing.reads ? Promise.reject(new Error("KV is down")) : env.SNAPSHOTS.get(key);
    },
    put: (key: string, text: string) => env.SNAPSHOTS.put(key, text),
  });
  return { counts, failing, store: { SNAPSHOTS: namespace as KVNamespace } };
}

test("a snapshot published is read back from KV as it was", async () => {
  const snapshot = snapshotOf(freshTenant(), 1);
  await publishElsewhere(snapshot);
  expect(await readSnapshot(env, snapshot.tenantId, NOW_MS)).toEqual(snapshot);
});

test("a burst of calls asks KV once", async () => {
  const tenantId = freshTenant();
  const { counts, store } = countedStore();
  await publishElsewhere(snapshotOf(tenantId, 1));
  for (let call = 0; call < 50; call += 1) await readSnapshot(store, tenantId, NOW_MS + call);
  expect(counts.reads).toBe(1);
});

test("a change published elsewhere is seen once the isolate's copy is two seconds old", async () => {
  const tenantId = freshTenant();
  await publishElsewhere(snapshotOf(tenantId, 1));
  await readSnapshot(env, tenantId, NOW_MS);
  await publishElsewhere(snapshotOf(tenantId, 2));
  expect(await readSnapshot(env, tenantId, NOW_MS + 1_999)).toMatchObject({ version: 1 });
  expect(await readSnapshot(env, tenantId, NOW_MS + 2_000)).toMatchObject({ version: 2 });
});

test("a change published in this isolate is seen at once", async () => {
  const tenantId = freshTenant();
  await publishSnapshot(env, snapshotOf(tenantId, 1), NOW_MS);
  await publishSnapshot(env, snapshotOf(tenantId, 2), NOW_MS + 1);
  expect(await readSnapshot(env, tenantId, NOW_MS + 1)).toMatchObject({ version: 2 });
});

test("an unknown tenant is remembered for half a second, so that strangers don't hammer KV", async () => {
  const tenantId = freshTenant();
  const { counts, store } = countedStore();
  expect(await readSnapshot(store, tenantId, NOW_MS)).toBeNull();
  await publishElsewhere(snapshotOf(tenantId, 1));
  expect(await readSnapshot(store, tenantId, NOW_MS + 499)).toBeNull();
  expect(counts.reads).toBe(1);
  expect(await readSnapshot(store, tenantId, NOW_MS + 500)).toMatchObject({ version: 1 });
});

test("sales go on from the isolate's copy while KV is down, and end when it is too old", async () => {
  const tenantId = freshTenant();
  const { failing, store } = countedStore();
  await publishElsewhere(snapshotOf(tenantId, 1));
  await readSnapshot(store, tenantId, NOW_MS);
  failing.reads = true;
  expect(await readSnapshot(store, tenantId, NOW_MS + 60_000)).toMatchObject({ version: 1 });
  const late = readSnapshot(store, tenantId, NOW_MS + 11 * 60_000);
  await expect(late).rejects.toThrow("KV is down");
});

test("refuses a snapshot that names another tenant", async () => {
  const [mine, theirs] = [freshTenant(), freshTenant()];
  await env.SNAPSHOTS.put(`tenant:${mine}`, JSON.stringify(snapshotOf(theirs, 1)));
  await expect(readSnapshot(env, mine, NOW_MS)).rejects.toThrow(theirs);
});

test("memory stays bounded: the oldest copies are forgotten first", async () => {
  const { counts, store } = countedStore();
  const large = { ...snapshotOf(freshTenant(), 1), deploymentId: "x".repeat(3 * 1024 * 1024) };
  const tenants = [freshTenant(), freshTenant(), freshTenant()];
  for (const tenantId of tenants) await publishSnapshot(store, { ...large, tenantId }, NOW_MS);
  const [oldest, , newest] = tenants;
  if (oldest === undefined || newest === undefined) throw new Error("three tenants were made");
  await readSnapshot(store, newest, NOW_MS);
  expect(counts.reads).toBe(0);
  await readSnapshot(store, oldest, NOW_MS);
  expect(counts.reads).toBe(1);
});
