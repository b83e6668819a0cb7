/** What goes wrong between facilitators, chain and books reaches the operator, who can explain it and end it. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import {
  adminPaymentDetailSchema,
  resolveResponseSchema,
} from "../../src/contracts/admin-payments.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { transferCount } from "../support/chain-facts.ts";
import { Payer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

const REASON = "the payer wrote to us";
const WITHIN = { timeout: 45_000, interval: 500 };

let world: TestWorld;
let chain: ChainTestClient;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  chain = chainTestClient(world.chain.rpcUrl);
});

afterAll(() => world?.stop());

beforeEach(() => Promise.all(world.facilitators.map(({ control }) => control.clear())));

function inspect({ tenantId }: TestTenant, paymentId: string) {
  return world.admin(adminPaymentDetailSchema, `GET /tenants/${tenantId}/payments/${paymentId}`);
}

function retry({ tenantId }: TestTenant, paymentId: string) {
  const target = `POST /tenants/${tenantId}/payments/${paymentId}/retry`;
  return world.admin(z.object({ state: z.string() }), target, { reason: REASON });
}

async function alertsOf({ tenantId }: TestTenant, kind: string) {
  const query = `?tenant=${tenantId}&kind=${kind}`;
  return (await world.admin(platformAlertListSchema, `GET /alerts${query}`)).alerts;
}

async function shop(): Promise<{ tenant: TestTenant; url: string }> {
  const tenant = await world.createTenant();
  const [url = ""] = await world.sellCities(tenant);
  return { tenant, url };
}

async function breakSettlement(fault: "500" | "lie", times?: number): Promise<void> {
  for (const { control } of world.facilitators) {
    await control.inject({ operation: "settle", fault, times });
  }
}

test("a payment that is stuck goes on when the operator retries it", async () => {
  const { tenant, url } = await shop();
  await breakSettlement("500");
  const header = await payer.sign(url);
  const answer = await send(url, header);
  expect(answer).toMatchObject({ status: 503, code: "settlement_unknown" });
  const { paymentId } = z.object({ paymentId: z.string() }).parse(JSON.parse(answer.body));
  await Promise.all(world.facilitators.map(({ control }) => control.clear()));
  await retry(tenant, paymentId);
  await vi.waitFor(
    async () => expect((await inspect(tenant, paymentId)).state).toMatch(/^(?:settled|confirmed)$/),
    WITHIN,
  );
  expect(await send(url, header)).toMatchObject({ status: 200, replayed: true });
  expect(await transferCount(chain, tenant.payTo)).toBe(1);
  expect((await inspect(tenant, paymentId)).audit.at(-1)).toMatchObject({
    action: "payment.retry",
    detail: { reason: REASON },
  });
});

test("a payment resolved without proof is answered and not payable, until the chain proves it", async () => {
  const { tenant, url } = await shop();
  await breakSettlement("500");
  const header = await payer.sign(url);
  const answer = await send(url, header);
  const { paymentId } = z.object({ paymentId: z.string() }).parse(JSON.parse(answer.body));
  const resolve = `POST /tenants/${tenant.tenantId}/payments/${paymentId}/resolve`;
  const resolved = await vi.waitFor(
    () => world.admin(resolveResponseSchema, resolve, { resolution: "settled", reason: REASON }),
    WITHIN,
  );
  expect(resolved).toMatchObject({
    proof: "none",
    payment: { state: "failed", failure: "operator_unproven" },
  });
  expect(await send(url, header)).toMatchObject({ status: 200, replayed: true });
  expect(await tenant.api.balance()).toMatchObject({ settledAtomic: "0", payableAtomic: "0" });

  // The authorization is still out there: whoever holds it can make it land.
  await world.facilitators[0].control.clear();
  const paymentPayload = JSON.parse(Buffer.from(header, "base64").toString());
  const landed = await fetch(`${world.facilitators[0].url}/settle`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      x402Version: 2,
      paymentPayload,
      paymentRequirements: paymentPayload.accepted,
    }),
  });
  expect(await landed.json()).toMatchObject({ success: true });
  await retry(tenant, paymentId);
  await vi.waitFor(
    async () => expect(await alertsOf(tenant, "late_landing")).toMatchObject([{ paymentId }]),
    WITHIN,
  );
  const { state, failure, postings, audit } = await inspect(tenant, paymentId);
  expect(state).toMatch(/^(?:settled|confirmed)$/);
  expect(failure).toBeNull();
  expect(postings.map(({ kind }) => kind)).toEqual(["payment_settled"]);
  expect(audit.map(({ action }) => action)).toEqual(["payment.retry", "payment.resolve"]);
  expect(await tenant.api.balance()).toMatchObject({ settledAtomic: "10000" });
});

test("a facilitator that lies about a settlement is found out, and the payment settles once", async () => {
  const { tenant, url } = await shop();
  await breakSettlement("lie", 1);
  const answer = await payer.pay(url);
  expect(answer).toMatchObject({ status: 200, paymentStatus: "settled" });
  const paymentId = answer.headers.get("Payment-Id") ?? "";
  expect(await transferCount(chain, tenant.payTo)).toBe(0);
  await world.facilitators[1].control.clear();

  // A transfer counts as missing only when the chain has moved on half a minute without it.
  await vi.waitFor(
    async () => {
      await chain.mine({ blocks: 1 });
      const { state, settledAtMs } = await inspect(tenant, paymentId);
      if (state === "settled" && Date.now() > (settledAtMs ?? 0) + 31_000) {
        await retry(tenant, paymentId);
      }
      expect(await alertsOf(tenant, "settlement_missing")).toMatchObject([{ paymentId }]);
    },
    { timeout: 90_000, interval: 2_000 },
  );
  await vi.waitFor(async () => {
    const { state, attempts, postings, alerts } = await inspect(tenant, paymentId);
    expect(state).toMatch(/^(?:settled|confirmed)$/);
    expect(attempts.map(({ outcome }) => outcome?.class)).toEqual(["settled", "settled"]);
    expect(postings.map(({ kind }) => kind)).toEqual([
      "payment_settled",
      "payment_reversed",
      "payment_settled",
    ]);
    expect(alerts.map(({ kind }) => kind)).toContain("settlement_missing");
  }, WITHIN);
  expect(await transferCount(chain, tenant.payTo)).toBe(1);
  expect(await send(url, answer.header)).toMatchObject({ status: 200, body: answer.body });
}, 240_000);
