/** What operators see of payments and do to them, over HTTP, on a real ledger and a chain made of its replies. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import {
  adminPaymentDetailSchema,
  adminPaymentListSchema,
  ledgerAlertListSchema,
  reconciliationListSchema,
  resolveResponseSchema,
} from "../../src/contracts/admin-payments.ts";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";
import { sellCall, stageCall } from "../support/settled-payments.ts";
import { FakeChain } from "../support/fake-chain.ts";

const operator = env.OPERATOR_TOKEN;
const REASON = "the payer wrote to us";
const chain = new FakeChain();

beforeEach(() => chain.install());

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function ask(target: string, body?: unknown): Promise<Response> {
  return call(target, { credential: operator, body });
}

async function inspect({ tenantId }: TestTenant, paymentId: string) {
  const response = await ask(`GET /admin/tenants/${tenantId}/payments/${paymentId}`);
  return adminPaymentDetailSchema.parse(await response.json());
}

async function list({ tenantId }: TestTenant, query = ""): Promise<string[]> {
  const response = await ask(`GET /admin/tenants/${tenantId}/payments${query}`);
  const { payments } = adminPaymentListSchema.parse(await response.json());
  return payments.map(({ paymentId }) => paymentId);
}

async function resolve({ tenantId }: TestTenant, paymentId: string, body: object) {
  return ask(`POST /admin/tenants/${tenantId}/payments/${paymentId}/resolve`, {
    reason: REASON,
    ...body,
  });
}

/** A payment nobody knows the fate of, parked: the engine leaves it alone until somebody acts. */
async function unknownCall(tenant: TestTenant): Promise<string> {
  const { paymentId, attempt } = await stageCall(tenant);
  await ledgerOf(env, tenant.tenantId).record({
    paymentId,
    attempt,
    outcome: { class: "ambiguous", reason: "timeout", transaction: null },
    nextFacilitatorIds: [],
    attemptLeaseMs: 60_000,
  });
  await runInDurableObject(
    env.SETTLEMENT_LEDGER.getByName(tenant.tenantId),
    (_ledger, { storage }) => {
      storage.sql.exec("UPDATE payments SET due_at_ms = NULL WHERE payment_id = ?", paymentId);
    },
  );
  return paymentId;
}

async function fireAlarm({ tenantId }: TestTenant, aheadMs = 0): Promise<void> {
  if (aheadMs > 0) {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + aheadMs);
  }
  await runDurableObjectAlarm(env.SETTLEMENT_LEDGER.getByName(tenantId));
}

async function alertsOf({ tenantId }: TestTenant) {
  const response = await ask(`GET /admin/tenants/${tenantId}/alerts`);
  return ledgerAlertListSchema.parse(await response.json()).alerts;
}

async function platformAlerts(query: string) {
  const response = await ask(`GET /admin/alerts${query}`);
  return platformAlertListSchema.parse(await response.json());
}

describe("the operator's view", () => {
  test("shows a payment with its attempts and postings, and nothing that could pay", async () => {
    const tenant = await createTenant();
    const paymentId = await sellCall(tenant);
    const response = await ask(`GET /admin/tenants/${tenant.tenantId}/payments/${paymentId}`);
    const text = await response.text();
    expect(text).not.toMatch(/signature|paymentPayload|wire/i);
    const payment = adminPaymentDetailSchema.parse(JSON.parse(text));
    expect(payment).toMatchObject({
      state: "settled",
      amountAtomic: "10000",
      attempts: [{ facilitatorId: "primary", outcome: { class: "settled" } }],
      evidence: null,
      alerts: [],
      audit: [],
    });
    expect(payment.postings).toMatchObject([{ posting: 1, kind: "payment_settled" }]);
    expect(payment.postings[0]?.entries).toEqual(
      expect.arrayContaining([
        { account: "deposit", amountAtomic: "10000" },
        { account: "payable", amountAtomic: "-9000" },
        { account: "fees", amountAtomic: "-1000" },
      ]),
    );
  });

  test("lists by state and age, newest first, in pages", async () => {
    const tenant = await createTenant();
    const settled = await sellCall(tenant);
    const unknown = await unknownCall(tenant);
    expect(await list(tenant, "?state=unknown")).toEqual([unknown]);
    expect(await list(tenant, "?state=settled")).toEqual([settled]);
    const { paymentId: settling } = await stageCall(tenant);
    expect(await list(tenant, "?state=settling")).toEqual([settling]);
    for (const state of ["staged", "confirmed", "failed", "expired"]) {
      expect(await list(tenant, `?state=${state}`)).toEqual([]);
    }
    const all = await list(tenant, "?olderThan=0");
    expect(all).toEqual([settled, unknown, settling].toSorted().toReversed());
    expect(await list(tenant)).toEqual(all);
    expect(await list(tenant, "?olderThan=3600")).toEqual([]);
    expect(await list(tenant, "?limit=1")).toEqual(all.slice(0, 1));
    expect(await list(tenant, `?limit=2&cursor=${all[0]}`)).toEqual(all.slice(1));
  });

  test.each(["state=paid", "olderThan=-1", "limit=0", "stat=unknown"])(
    "refuses the query %s",
    async (query) => {
      const { tenantId } = await createTenant();
      const response = await ask(`GET /admin/tenants/${tenantId}/payments?${query}`);
      expect(await problemOf(response)).toMatchObject({ status: 400, code: "invalid_request" });
    },
  );

  test("has no payment of one tenant under another, and no ledger of nobody", async () => {
    const [mine, other] = [await createTenant(), await createTenant()];
    const paymentId = await sellCall(mine);
    for (const target of [
      `GET /admin/tenants/${other.tenantId}/payments/${paymentId}`,
      `POST /admin/tenants/${other.tenantId}/payments/${paymentId}/retry`,
      `POST /admin/tenants/${other.tenantId}/payments/${paymentId}/resolve`,
      `GET /admin/tenants/${mine.tenantId}/payments/pay_nothing`,
      `GET /admin/tenants/no-such-tenant/payments`,
      `GET /admin/tenants/no-such-tenant/alerts`,
      `GET /admin/tenants/no-such-tenant/reconciliation`,
    ]) {
      const body = target.startsWith("POST") ? { reason: REASON, resolution: "failed" } : undefined;
      expect(await problemOf(await ask(target, body))).toMatchObject({ code: "not_found" });
    }
  });

  test("is closed to tenants", async () => {
    const tenant = await createTenant();
    const paymentId = await sellCall(tenant);
    const base = `/admin/tenants/${tenant.tenantId}`;
    for (const target of [
      `GET ${base}/payments`,
      `GET ${base}/payments/${paymentId}`,
      `POST ${base}/payments/${paymentId}/retry`,
      `POST ${base}/payments/${paymentId}/resolve`,
      `GET ${base}/alerts`,
      `GET ${base}/reconciliation`,
      `POST ${base}/reconciliation`,
      "GET /admin/alerts",
    ]) {
      const refused = await call(target, { credential: tenant.apiKey });
      expect(await problemOf(refused)).toMatchObject({ status: 403, code: "forbidden" });
      expect((await call(target)).status).toBe(401);
    }
  });
});

describe("a retry", () => {
  test("is due now, un-parks, and is on record with its reason", async () => {
    const tenant = await createTenant();
    const paymentId = await unknownCall(tenant);
    const response = await ask(
      `POST /admin/tenants/${tenant.tenantId}/payments/${paymentId}/retry`,
      { reason: REASON },
    );
    expect(response.status).toBe(202);
    const { dueAtMs, audit } = await inspect(tenant, paymentId);
    expect(dueAtMs).toBeLessThanOrEqual(Date.now());
    expect(audit).toMatchObject([
      { actor: "operator", action: "payment.retry", detail: { reason: REASON } },
    ]);
  });

  test.each([{}, { reason: "" }, { reason: "because", force: true }])(
    "is refused with %j",
    async (body) => {
      const tenant = await createTenant();
      const paymentId = await unknownCall(tenant);
      const target = `POST /admin/tenants/${tenant.tenantId}/payments/${paymentId}/retry`;
      expect(await problemOf(await ask(target, body))).toMatchObject({ status: 400 });
      expect((await inspect(tenant, paymentId)).audit).toEqual([]);
    },
  );
});

describe("a resolution", () => {
  test("without evidence is recorded as unproven: the books do not change, and it stays watched", async () => {
    const tenant = await createTenant();
    const paymentId = await unknownCall(tenant);
    const response = await resolve(tenant, paymentId, { resolution: "settled" });
    expect(resolveResponseSchema.parse(await response.json())).toMatchObject({
      proof: "none",
      payment: { state: "failed", failure: "operator_unproven", operatorRuling: "settled" },
    });
    const { postings, dueAtMs, audit } = await inspect(tenant, paymentId);
    expect(postings).toEqual([]);
    expect(dueAtMs).not.toBeNull();
    expect(audit).toMatchObject([
      { action: "payment.resolve", detail: { resolution: "settled", reason: REASON } },
    ]);
    expect(await list(tenant, "?state=failed")).toEqual([paymentId]);
  });

  test("of what is decided or in flight is refused, and on record", async () => {
    const tenant = await createTenant();
    const settled = await sellCall(tenant);
    const { paymentId: settling } = await stageCall(tenant);
    const codes = [];
    for (const paymentId of [settled, settling]) {
      codes.push(await problemOf(await resolve(tenant, paymentId, { resolution: "failed" })));
    }
    expect(codes).toMatchObject([
      { status: 409, code: "payment_decided" },
      { status: 409, code: "attempt_in_flight" },
    ]);
    expect((await inspect(tenant, settled)).audit).toHaveLength(1);
  });

  test("names what is wrong with it", async () => {
    const tenant = await createTenant();
    const paymentId = await unknownCall(tenant);
    const response = await resolve(tenant, paymentId, { resolution: "paid", transaction: "0x12" });
    expect(await problemOf(response)).toEqual({
      status: 400,
      code: "invalid_request",
      fields: ["resolution", "transaction"],
    });
  });
});

describe("an alert of a ledger", () => {
  test("reaches the platform's alerts once, also when forwarding it failed before", async () => {
    const tenant = await createTenant();
    const paymentId = await sellCall(tenant);
    vi.spyOn(console, "error").mockReturnValue();
    const outage = vi.spyOn(env.DB, "batch").mockRejectedValue(new Error("D1 is away"));
    await raiseSecondTransaction(tenant, paymentId);
    expect(await alertsOf(tenant)).toMatchObject([{ kind: "second_transaction", paymentId }]);
    await vi.waitFor(
      async () => {
        await fireAlarm(tenant);
        expect(outage).toHaveBeenCalled();
      },
      { timeout: 30_000, interval: 50 },
    );
    expect((await platformAlerts(`?tenant=${tenant.tenantId}`)).alerts).toEqual([]);
    outage.mockRestore();
    await fireAlarm(tenant, 60_000);
    await fireAlarm(tenant, 60_000);
    const { alerts } = await platformAlerts(`?tenant=${tenant.tenantId}`);
    expect(alerts).toMatchObject([
      { tenantId: tenant.tenantId, kind: "second_transaction", paymentId, alert: 1 },
    ]);
  });

  test("is found by tenant and kind, in pages", async () => {
    const tenant = await createTenant();
    for (let sale = 0; sale < 2; sale += 1) {
      await raiseSecondTransaction(tenant, await sellCall(tenant));
    }
    await fireAlarm(tenant);
    const first = await platformAlerts(`?tenant=${tenant.tenantId}&limit=1`);
    expect(first.alerts.map(({ alert }) => alert)).toEqual([2]);
    const rest = await platformAlerts(
      `?tenant=${tenant.tenantId}&limit=1&cursor=${first.nextCursor}`,
    );
    expect(rest.alerts.map(({ alert }) => alert)).toEqual([1]);
    expect(rest.nextCursor).toBeNull();
    const query = `?tenant=${tenant.tenantId}&kind=late_landing`;
    expect((await platformAlerts(query)).alerts).toEqual([]);
  });
});

describe("the reconciliation", () => {
  async function reconcile(tenant: TestTenant, aheadMs: number) {
    await ask(`POST /admin/tenants/${tenant.tenantId}/reconciliation`);
    await fireAlarm(tenant, aheadMs);
    const response = await ask(`GET /admin/tenants/${tenant.tenantId}/reconciliation`);
    return reconciliationListSchema.parse(await response.json()).reconciliations[0];
  }

  async function confirmedTenant(): Promise<TestTenant> {
    const tenant = await createTenant();
    await sellCall(tenant);
    await runInDurableObject(
      env.SETTLEMENT_LEDGER.getByName(tenant.tenantId),
      (_ledger, { storage }) => {
        storage.sql.exec("UPDATE payments SET state = 'confirmed', due_at_ms = NULL");
      },
    );
    return tenant;
  }

  test("agrees when the deposit account holds what the books say", async () => {
    const tenant = await confirmedTenant();
    chain.balanceAtomic = 10_000n;
    expect(await reconcile(tenant, 0)).toMatchObject({
      account: tenant.payTo,
      outcome: "matches",
      depositAtomic: "10000",
      chainAtomic: "10000",
      differenceAtomic: "0",
      nextCheckAtMs: null,
    });
    expect(await alertsOf(tenant)).toEqual([]);
  });

  test("tells of a difference that lasts, once, with both numbers", async () => {
    const tenant = await confirmedTenant();
    chain.balanceAtomic = 10_007n;
    expect(await reconcile(tenant, 0)).toMatchObject({ outcome: "surplus" });
    expect(await alertsOf(tenant)).toEqual([]);
    for (let check = 0; check < 3; check += 1) await reconcile(tenant, 60_000);
    const alerts = await alertsOf(tenant);
    expect(alerts).toMatchObject([{ kind: "deposit_mismatch", paymentId: null }]);
    expect(alerts[0]?.detail).toContain("10007");
    expect(alerts[0]?.detail).toContain("10000");
    const { alerts: forwarded } = await platformAlerts("?kind=deposit_mismatch");
    expect(forwarded.map(({ tenantId }) => tenantId)).toContain(tenant.tenantId);
  });

  test("allows what an open payment explains, in both directions", async () => {
    const tenant = await confirmedTenant();
    await unknownCall(tenant);
    for (const balanceAtomic of [10_000n, 20_000n]) {
      chain.balanceAtomic = balanceAtomic;
      expect(await reconcile(tenant, 0)).toMatchObject({
        outcome: "matches",
        lowAtomic: "10000",
        highAtomic: "20000",
      });
    }
    chain.balanceAtomic = 9_999n;
    expect(await reconcile(tenant, 0)).toMatchObject({
      outcome: "shortfall",
      differenceAtomic: "-1",
    });
  });

  test("says that it does not know while the chain can't be asked", async () => {
    const tenant = await confirmedTenant();
    chain.balanceAtomic = null;
    expect(await reconcile(tenant, 0)).toMatchObject({ outcome: "unavailable", chainAtomic: null });
  });
});

/** A facilitator names two transactions for one settlement. */
async function raiseSecondTransaction({ tenantId }: TestTenant, paymentId: string): Promise<void> {
  const ledger = ledgerOf(env, tenantId);
  const stub = env.SETTLEMENT_LEDGER.getByName(tenantId);
  await runInDurableObject(stub, (_ledger, { storage }) => {
    storage.sql.exec(
      `UPDATE payments SET attempts = json_insert(attempts, '$[#]', json(?)) WHERE payment_id = ?`,
      JSON.stringify({
        attempt: 2,
        facilitatorId: "fallback",
        startedAtMs: 1,
        leaseExpiresAtMs: 2,
        outcome: null,
      }),
      paymentId,
    );
  });
  // It keeps payments in memory, and nobody else writes to their rows.
  await evictDurableObject(stub);
  await ledger.record({
    paymentId,
    attempt: 2,
    outcome: { class: "settled", transaction: `0x${"22".repeat(32)}` },
    nextFacilitatorIds: [],
    attemptLeaseMs: 60_000,
  });
}
