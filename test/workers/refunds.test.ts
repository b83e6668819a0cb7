/** What was paid and never delivered goes back to its payer, once: over HTTP, on a real ledger. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { refundNonce } from "../../src/chain/payout-authorization.ts";
import { adminPaymentDetailSchema } from "../../src/contracts/admin-payments.ts";
import { refundSchema } from "../../src/contracts/refunds.ts";
import { balanceSchema, receiptSchema } from "../../src/contracts/tenant-api.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";
import { FAKE_LOG_INDEX, FakeChain } from "../support/fake-chain.ts";
import { applyEvents, confirmed, hash, undeliveredSale } from "../support/ledger-events.ts";
import { confirmSales, PAYER, sellCall } from "../support/settled-payments.ts";

const PAID_IN = hash("01");
const REASON = "the payer wrote to us";
const chain = new FakeChain();
let tenant: TestTenant;

beforeEach(async () => {
  chain.install();
  tenant = await createTenant();
});

afterEach(() => vi.restoreAllMocks());

function ask(target: string): Promise<Response> {
  return call(target, { credential: tenant.apiKey });
}

function askRefund(paymentId: string): Promise<Response> {
  return ask(`POST /v1/payments/${paymentId}/refund`);
}

/** A payment of 10,000 that is owed back, and confirmed on the chain. */
async function owedBack(): Promise<string> {
  const paymentId = await undeliveredSale(tenant);
  await applyEvents(tenant, paymentId, [confirmed(PAID_IN)]);
  return paymentId;
}

async function balance() {
  return balanceSchema.parse(await (await ask("GET /v1/balance")).json());
}

async function receipt(paymentId: string) {
  return receiptSchema.parse(await (await ask(`GET /v1/receipts/${paymentId}`)).json());
}

describe("a refund", () => {
  test("takes all that was paid out of the credits, to whoever paid it", async () => {
    const paymentId = await owedBack();
    expect(await balance()).toMatchObject({ settledAtomic: "10000", creditsAtomic: "10000" });
    const response = await askRefund(paymentId);
    expect(response.status).toBe(201);
    const refund = refundSchema.parse(await response.json());
    expect(refund).toMatchObject({
      refundOf: paymentId,
      state: "staged",
      amountAtomic: "10000",
      payer: PAYER,
      transaction: null,
    });
    expect(response.headers.get("Location")).toBe(`/v1/refunds/${refund.refundId}`);
    expect(await balance()).toMatchObject({
      settledAtomic: "10000",
      creditsAtomic: "0",
      inFlightAtomic: "10000",
      refundedAtomic: "0",
      paidOutAtomic: "0",
    });
    expect(await receipt(paymentId)).toMatchObject({ state: "paid_undelivered", refund });
    expect(await (await ask(`GET /v1/refunds/${refund.refundId}`)).json()).toEqual(refund);
    expect((await ask(`GET /v1/payouts/${refund.refundId}`)).status).toBe(404);
  });

  test("is one, however often and at whatever moment it is asked for", async () => {
    const paymentId = await owedBack();
    const responses = await Promise.all(Array.from({ length: 5 }, () => askRefund(paymentId)));
    await evictDurableObject(env.SETTLEMENT_LEDGER.getByName(tenant.tenantId));
    responses.push(await askRefund(paymentId));
    const refunds = await Promise.all(
      responses.map(async (response) => refundSchema.parse(await response.json()).refundId),
    );
    expect(new Set(refunds).size).toBe(1);
    const replayed = responses.map(({ headers }) => headers.get("Idempotent-Replayed"));
    expect(replayed.filter((value) => value === null)).toHaveLength(1);
    expect(await balance()).toMatchObject({ creditsAtomic: "0", inFlightAtomic: "10000" });
  });

  test("is one by the database's word too", async () => {
    const paymentId = await owedBack();
    await askRefund(paymentId);
    const stub = env.SETTLEMENT_LEDGER.getByName(tenant.tenantId);
    await runInDurableObject(stub, (_ledger, { storage }) => {
      expect(() =>
        storage.sql.exec(
          "UPDATE payments SET refund_of = ?1, refund_kind = 'payment' WHERE payment_id = ?1",
          paymentId,
        ),
      ).toThrow(/UNIQUE/);
    });
  });

  test("that can't be made is owed again, and made again only when it can no longer land", async () => {
    const paymentId = await owedBack();
    const first = refundSchema.parse(await (await askRefund(paymentId)).json());
    const failed = await applyEvents(tenant, first.refundId, [{ type: "abandoned" }]);
    expect(failed.state).toBe("failed");
    expect(await balance()).toMatchObject({ creditsAtomic: "10000", inFlightAtomic: "0" });
    expect(await problemOf(await askRefund(paymentId))).toMatchObject({
      status: 409,
      code: "refund_may_still_land",
    });
    const ruledOut = { found: "expired", finalizedBlockTimestampMs: Date.now() } as const;
    await applyEvents(tenant, first.refundId, [{ type: "chain_checked", evidence: ruledOut }]);
    const second = refundSchema.parse(await (await askRefund(paymentId)).json());
    expect(second.refundId).not.toBe(first.refundId);
    expect(await receipt(paymentId)).toMatchObject({ refund: { refundId: second.refundId } });

    // Should the chain ever show the first one after all, the second could not land beside it.
    const nonces = await Promise.all(
      [first, second].map(async ({ refundId }) => {
        const target = `GET /admin/tenants/${tenant.tenantId}/payments/${refundId}`;
        const response = await call(target, { credential: env.OPERATOR_TOKEN });
        return adminPaymentDetailSchema.parse(await response.json()).nonce;
      }),
    );
    expect(new Set(nonces)).toEqual(
      new Set([refundNonce("eip155:84532", PAID_IN, FAKE_LOG_INDEX)]),
    );
  });

  test("that landed is posted once, and counts as refunded", async () => {
    const paymentId = await owedBack();
    const { refundId } = refundSchema.parse(await (await askRefund(paymentId)).json());
    const settled = { class: "settled", transaction: hash("05") } as const;
    await applyEvents(tenant, refundId, [
      { type: "attempt_started", facilitatorId: "primary", leaseMs: 1_000 },
      { type: "attempt_finished", attempt: 1, outcome: settled },
      confirmed(hash("05")),
    ]);
    expect(await balance()).toMatchObject({
      settledAtomic: "10000",
      payableAtomic: "0",
      creditsAtomic: "0",
      inFlightAtomic: "0",
      refundedAtomic: "10000",
    });
    expect(await receipt(paymentId)).toMatchObject({
      refund: { state: "confirmed", transaction: hash("05") },
    });
    expect((await askRefund(paymentId)).headers.get("Idempotent-Replayed")).toBe("true");
  });

  test("is signed with what the chain says about the transfer that it gives back", async () => {
    const paymentId = await owedBack();
    const { refundId } = refundSchema.parse(await (await askRefund(paymentId)).json());
    const stub = env.SETTLEMENT_LEDGER.getByName(tenant.tenantId);
    const wires = () =>
      runInDurableObject(stub, (_ledger, { storage }) =>
        storage.sql.exec("SELECT wire FROM wire_payments WHERE payment_id = ?", refundId).toArray(),
      );
    vi.spyOn(console, "error").mockReturnValue();
    chain.transfers = [
      {
        payer: `0x${PAYER.slice(2)}`,
        payee: tenant.payTo,
        amountAtomic: 10_000n,
        transaction: PAID_IN,
        blockNumber: 990n,
      },
    ];
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(stub);
        expect(await wires()).toHaveLength(1);
      },
      { timeout: 30_000, interval: 50 },
    );
    expect(JSON.stringify(await wires())).toContain(PAYER);
  });
});

describe("a refund is refused", () => {
  test("of what was delivered, what is not confirmed, and what is another tenant's", async () => {
    const delivered = await sellCall(tenant);
    await confirmSales(tenant);
    const unconfirmed = await undeliveredSale(tenant);
    const other = await createTenant();
    const [mine, foreign] = [await owedBack(), await sellCall(other)];
    const codes = [];
    for (const paymentId of [delivered, unconfirmed, foreign, `${mine}0`, "pay_nothing"]) {
      codes.push((await problemOf(await askRefund(paymentId))).code);
    }
    expect(codes).toEqual([
      "nothing_to_refund",
      "payment_not_confirmed",
      "not_found",
      "not_found",
      "not_found",
    ]);
  });

  test("when payers pay the tenant's own wallet", async () => {
    const paymentId = await owedBack();
    await env.DB.prepare("UPDATE tenants SET collection = 'direct' WHERE tenant_id = ?")
      .bind(tenant.tenantId)
      .run();
    expect(await problemOf(await askRefund(paymentId))).toMatchObject({
      status: 409,
      code: "direct_collection",
    });
  });
});

describe("an operator", () => {
  function refundAsOperator(paymentId: string, body: object) {
    const target = `POST /admin/tenants/${tenant.tenantId}/payments/${paymentId}/refund`;
    return call(target, { credential: env.OPERATOR_TOKEN, body });
  }

  test("refunds with a reason, which is on record with the payment", async () => {
    const paymentId = await owedBack();
    expect(await problemOf(await refundAsOperator(paymentId, {}))).toMatchObject({ status: 400 });
    const response = await refundAsOperator(paymentId, { reason: REASON });
    expect(response.status).toBe(201);
    const refund = refundSchema.parse(await response.json());
    const target = `GET /admin/tenants/${tenant.tenantId}/payments/${paymentId}`;
    const inspected = await call(target, { credential: env.OPERATOR_TOKEN });
    const { audit, refund: shown } = adminPaymentDetailSchema.parse(await inspected.json());
    expect(shown).toEqual(refund);
    expect(audit).toMatchObject([
      { actor: "operator", action: "payment.refund", detail: { reason: REASON } },
    ]);
  });

  test("is not who a tenant's key makes its owner", async () => {
    const paymentId = await owedBack();
    const target = `POST /admin/tenants/${tenant.tenantId}/payments/${paymentId}/refund`;
    const response = await call(target, { credential: tenant.apiKey, body: { reason: REASON } });
    expect(await problemOf(response)).toMatchObject({ status: 403, code: "forbidden" });
  });
});
