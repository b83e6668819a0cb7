/** Money that belongs to nobody here goes back to where it came from, on the chain, once. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { erc20Abi, getAddress } from "viem";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import { reconciliationListSchema } from "../../src/contracts/admin-payments.ts";
import { depositListSchema, refundSchema } from "../../src/contracts/refunds.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";
import { FULFILMENT_ATTEMPTS_MAX } from "../../src/settlement/fulfilment.ts";
import { tokenBalance, transfersTo } from "../support/chain-facts.ts";
import { runClaw } from "../support/dev-process.ts";
import { OriginServer } from "../support/origin-server.ts";
import { Payer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

const WITHIN = { timeout: 45_000, interval: 250 };

let world: TestWorld;
let origin: OriginServer;
let chain: ChainTestClient;
let tenant: TestTenant;
let upfront: string;
const payer = new Payer(payers[0].privateKey);
const stranger = payers[1].address;

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/upfront", origin: origin.url, price: "$0.01", settlement: "before" }],
  });
  upfront = `${world.url}/t/${tenant.tenantId}/upfront`;
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

/** Compares the books with the chain, and waits for the result. */
async function compare() {
  const target = `/tenants/${tenant.tenantId}/reconciliation`;
  const checkedBefore = Date.now();
  await world.admin(reconciliationListSchema, `POST ${target}`);
  return await vi.waitFor(async () => {
    const [latest] = (await world.admin(reconciliationListSchema, `GET ${target}`)).reconciliations;
    expect(latest?.checkedAtMs).toBeGreaterThanOrEqual(checkedBefore);
    return latest;
  }, WITHIN);
}

/** What went from the tenant's deposit account to an account. */
async function givenTo(account: string): Promise<bigint[]> {
  const deposits = tenant.payTo.toLowerCase();
  return (await transfersTo(chain, account))
    .filter(({ from }) => from === deposits)
    .map(({ amountAtomic }) => amountAtomic);
}

/** Pays, and gets nothing but failures for it. @returns the payment's id */
async function payInVain(): Promise<string> {
  origin.answer = (_request, response) => {
    response.statusCode = 500;
    response.end("not now");
  };
  const header = await payer.sign(upfront);
  for (let run = 1; run <= FULFILMENT_ATTEMPTS_MAX; run += 1) await send(upfront, header);
  const answer = await send(upfront, header);
  expect(answer.code).toBe("paid_undelivered");
  origin.reset();
  const paymentId = answer.headers.get("Payment-Id") ?? "";
  await vi.waitFor(async () => {
    expect((await tenant.api.receipt(paymentId)).confirmedAtMs).not.toBeNull();
  }, WITHIN);
  return paymentId;
}

test("what was paid upfront and never delivered goes back to its payer, once", async () => {
  const before = await tokenBalance(chain, payers[0].address);
  const paymentId = await payInVain();
  expect(await tokenBalance(chain, payers[0].address)).toBe(before - 10_000n);

  const refunds = await Promise.all(Array.from({ length: 3 }, () => tenant.api.refund(paymentId)));
  expect(new Set(refunds.map(({ refundId }) => refundId)).size).toBe(1);
  await vi.waitFor(async () => {
    const { refund } = await tenant.api.receipt(paymentId);
    expect(refund?.state).toBe("confirmed");
  }, WITHIN);
  expect(await tokenBalance(chain, payers[0].address)).toBe(before);

  const again = await runClaw(["refund", paymentId, "--wait", "--json"], {
    env: { CLAW_URL: world.url, CLAW_API_KEY: tenant.apiKey },
  });
  expect(refundSchema.parse(JSON.parse(again.stdout))).toMatchObject({
    refundId: refunds[0]?.refundId,
    state: "confirmed",
  });
  expect(await givenTo(payers[0].address)).toEqual([10_000n]);
  expect(await tenant.api.balance()).toMatchObject({
    settledAtomic: "10000",
    creditsAtomic: "0",
    inFlightAtomic: "0",
    refundedAtomic: "10000",
    payableAtomic: "0",
  });
  expect(await compare()).toMatchObject({ outcome: "matches", chainAtomic: "0" });
});

test("money that is no payment is unclaimed until an operator gives it back to whoever sent it", async () => {
  const before = await tokenBalance(chain, stranger);
  const hash = await chain.writeContract({
    account: stranger,
    address: USDC_ADDRESS,
    abi: erc20Abi,
    functionName: "transfer",
    args: [getAddress(tenant.payTo), 77n],
  });
  await chain.waitForTransactionReceipt({ hash });
  expect(await compare()).toMatchObject({ outcome: "matches", chainAtomic: "77" });
  const list = `GET /tenants/${tenant.tenantId}/deposits`;
  const [deposit] = (await world.admin(depositListSchema, list)).deposits;
  expect(deposit).toMatchObject({
    payer: stranger.toLowerCase(),
    amountAtomic: "77",
    transaction: hash,
  });
  expect(await tenant.api.balance()).toMatchObject({
    payableAtomic: "0",
    unclaimedAtomic: "77",
    unclaimedDeposits: [deposit],
  });
  const alerts = `GET /alerts?tenant=${tenant.tenantId}&kind=unclaimed_deposit`;
  await vi.waitFor(async () => {
    expect((await world.admin(platformAlertListSchema, alerts)).alerts).toHaveLength(1);
  }, WITHIN);

  const target = `POST /tenants/${tenant.tenantId}/deposits/${deposit?.depositId}/refund`;
  const body = { reason: "sent by mistake" };
  const first = await world.admin(refundSchema, target, body);
  await vi.waitFor(async () => {
    expect(await world.admin(refundSchema, target, body)).toMatchObject({
      refundId: first.refundId,
      state: "confirmed",
    });
  }, WITHIN);
  expect(await tokenBalance(chain, stranger)).toBe(before);
  expect(await givenTo(stranger)).toEqual([77n]);
  expect(await tenant.api.balance()).toMatchObject({ unclaimedAtomic: "0", unclaimedDeposits: [] });
  expect(await compare()).toMatchObject({ outcome: "matches", chainAtomic: "0" });
});

test("a refund whose settlement was lost on the way, with the platform killed meanwhile, lands once", async () => {
  const paymentId = await payInVain();
  const before = await givenTo(payers[0].address);
  for (const { control } of world.facilitators) {
    await control.inject({ operation: "settle", fault: "settle-then-lost", times: 1 });
  }
  await tenant.api.refund(paymentId);
  await world.kill();
  await world.restart();
  await vi.waitFor(async () => {
    expect((await tenant.api.refund(paymentId)).state).toBe("confirmed");
  }, WITHIN);
  expect(await givenTo(payers[0].address)).toEqual([...before, 10_000n]);
  expect(await compare()).toMatchObject({ outcome: "matches", chainAtomic: "0" });
});
