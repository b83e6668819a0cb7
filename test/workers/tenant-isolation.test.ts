/** No request, key, dataset, receipt or deployment ever crosses tenants; each endpoint: endpoint-isolation.test.ts. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, test } from "vitest";
import { SettlementLedger } from "../../durable-objects/settlement-ledger/settlement-ledger.ts";
import {
  balanceSchema,
  deploymentListSchema,
  receiptListSchema,
} from "../../src/contracts/tenant-api.ts";
import { tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import { readScript, removeScripts, storeScript } from "../../src/runtime/script/script-store.ts";
import { canonicalScript } from "../../src/runtime/script/script-version.ts";
import { readSnapshot } from "../../src/tenant/snapshots.ts";
import {
  type Call,
  call,
  createTenant,
  deploy,
  manifestOf,
  problemOf,
  type TestTenant,
  uploadCities,
} from "../support/control-plane.ts";
import { SCORE } from "../support/scripts.ts";
import { confirmSales, sellCall } from "../support/settled-payments.ts";

const NEW_KEY = { "Idempotency-Key": "0123456789abcdef" };

test.each(["Basic YWNtZTpzZWNyZXQ=", "Bearer", "Bearer  ", "Bearer a b", "Token x"])(
  "takes the header Authorization: %j for no credential",
  async (authorization) => {
    const response = await call("GET /v1/balance", { headers: { Authorization: authorization } });
    expect(response.status).toBe(401);
  },
);

describe("with another tenant's key", () => {
  let acme: TestTenant;
  let other: TestTenant;
  let acmeDeployment: string;
  let acmePayment: string;
  let acmePayout: string;

  beforeAll(async () => {
    [acme, other] = [await createTenant(), await createTenant()];
    await uploadCities(acme);
    acmeDeployment = (await deploy(acme)).deploymentId;
    acmePayment = await sellCall(acme);
    await confirmSales(acme);
    const response = await call("POST /v1/payouts", {
      credential: acme.apiKey,
      headers: NEW_KEY,
      body: { amountAtomic: "1000" },
    });
    acmePayout = (await response.json<{ payoutId: string }>()).payoutId;
  });

  const asOther = (target: string, request: Call = {}) =>
    call(target, { credential: other.apiKey, ...request });

  test("a dataset is not there to be sold", async () => {
    const response = await asOther("POST /v1/deployments", { body: manifestOf(other) });
    expect(await problemOf(response)).toMatchObject({ code: "dataset_not_uploaded" });
  });

  test("an upload of the same name changes nothing for its owner", async () => {
    const published = async () => env.SNAPSHOTS.get(`tenant:${acme.tenantId}`);
    const before = await published();
    expect((await uploadCities(other, "id,country\n9,XX\n")).status).toBe(201);
    await deploy(acme);
    const after = tenantSnapshotSchema.parse(JSON.parse((await published()) ?? ""));
    expect(after.routes).toEqual(tenantSnapshotSchema.parse(JSON.parse(before ?? "")).routes);
  });

  test("nothing is deployed in its owner's name", async () => {
    const response = await asOther("POST /v1/deployments", { body: manifestOf(acme) });
    expect(await problemOf(response)).toMatchObject({ status: 403, code: "forbidden" });
  });

  test("a deployment does not exist", async () => {
    const response = await asOther(`POST /v1/deployments/${acmeDeployment}/rollback`);
    expect(await problemOf(response)).toMatchObject({ status: 404, code: "not_found" });
    const list = await asOther("GET /v1/deployments");
    expect(deploymentListSchema.parse(await list.json()).deployments).toEqual([]);
  });

  test("a receipt does not exist", async () => {
    const response = await asOther(`GET /v1/receipts/${acmePayment}`);
    expect(await problemOf(response)).toMatchObject({ status: 404, code: "not_found" });
    const list = await asOther(`GET /v1/receipts?cursor=${acmePayment}`);
    expect(receiptListSchema.parse(await list.json()).receipts).toEqual([]);
  });

  test("a payout does not exist", async () => {
    const response = await asOther(`GET /v1/payouts/${acmePayout}`);
    expect(await problemOf(response)).toMatchObject({ status: 404, code: "not_found" });
  });

  test("earnings are not there, even under the owner's Idempotency-Key", async () => {
    const balance = balanceSchema.parse(await (await asOther("GET /v1/balance")).json());
    expect(balance).toMatchObject({ settledAtomic: "0", availableAtomic: "0" });
    const response = await asOther("POST /v1/payouts", { headers: NEW_KEY, body: {} });
    expect(await problemOf(response)).toMatchObject({ status: 409, code: "nothing_available" });
  });

  test("a refusal says the same whether the thing exists or not", async () => {
    const real = await (await asOther(`GET /v1/receipts/${acmePayment}`)).text();
    const invented = await (
      await asOther(`GET /v1/receipts/${acmePayment.slice(0, -4)}0000`)
    ).text();
    expect(real).toBe(invented);
  });
});

test("a tenant whose name begins with another's keeps its code and its sales when the other leaves", async () => {
  const one = await createTenant();
  const longer = await createTenant({ tenantId: `${one.tenantId}-b` });
  const script = await canonicalScript(SCORE);
  for (const { tenantId } of [one, longer]) await storeScript(env, tenantId, script);
  await uploadCities(longer);
  await deploy(longer);
  await call(`DELETE /v1/tenant?confirm=${one.tenantId}`, { credential: one.apiKey });
  await removeScripts(env, one.tenantId, 100);
  expect(await readScript(env, one.tenantId, script.version)).toBeNull();
  expect(await readScript(env, longer.tenantId, script.version)).toEqual(SCORE);
  expect((await readSnapshot(env, longer.tenantId, Date.now()))?.routes).toHaveLength(2);
});

test("a ledger answers no call that names another tenant", async () => {
  const [acme, other] = [await createTenant(), await createTenant()];
  const stub = env.SETTLEMENT_LEDGER.getByName(acme.tenantId);
  const complaints = await runInDurableObject(stub, async (ledger) => {
    const found: [method: string, complaint: string][] = [];
    for (const name of Object.getOwnPropertyNames(SettlementLedger.prototype)) {
      const method: unknown = Reflect.get(ledger, name);
      if (typeof method !== "function" || name === "constructor" || name === "alarm") continue;
      try {
        await Reflect.apply(method, ledger, [other.tenantId]);
        found.push([name, "none"]);
      } catch (error) {
        found.push([name, error instanceof Error ? error.message : "unknown"]);
      }
    }
    return found;
  });
  expect(complaints.length).toBeGreaterThan(20);
  for (const [name, complaint] of complaints) {
    expect([name, complaint]).toEqual([name, "this ledger is another tenant's"]);
  }
});
