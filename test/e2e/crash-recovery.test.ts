/** The machine loses power at the worst moments; the chain and the facilitators do not. */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { transferCount } from "../support/chain-facts.ts";
import { OriginServer, heldAnswer } from "../support/origin-server.ts";
import { type Answer, Payer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

let world: TestWorld;
let origin: OriginServer;
let tenant: TestTenant;
let chain: ChainTestClient;
let url: string;
const payer = new Payer(payers[0].privateKey);
const WITHIN = { timeout: 45_000, interval: 250 };

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/answer", origin: origin.url, price: "$0.01" }],
  });
  url = `${world.url}/t/${tenant.tenantId}/answer`;
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(() => origin.reset());

/** Sends, and takes a connection that breaks for what it is. */
function sendIntoTheDark(header: string, request = url): Promise<Answer | null> {
  return send(request, header).catch(() => null);
}

async function latestReceipt() {
  const { receipts } = await tenant.api.receipts(new URLSearchParams({ limit: "1" }));
  return receipts[0];
}

test("killed between the settlement and its record: it ends settled by itself, once", async () => {
  const transfers = await transferCount(chain, tenant.payTo);
  await world.facilitators[0].control.inject({
    operation: "settle",
    fault: "settle-then-hang",
    times: 1,
  });
  const header = await payer.sign(url);
  const lost = sendIntoTheDark(header);
  await vi.waitFor(
    async () => expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1),
    WITHIN,
  );
  await world.kill();
  expect(await lost).toBeNull();
  await world.facilitators[0].control.release();

  await world.restart();
  // Nobody asks for it: the alarm that was set before the crash finds the transfer on the chain.
  await vi.waitFor(
    async () => expect((await latestReceipt())?.state).toMatch(/^(?:settled|confirmed)$/),
    WITHIN,
  );
  const answer = await send(url, header);
  expect(answer).toMatchObject({ status: 200, paymentStatus: "replayed", replayed: true });
  expect(JSON.parse(answer.body)).toHaveProperty("answer");
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
});

test("killed while the handler runs: nothing was charged, and a resend buys the answer once", async () => {
  const transfers = await transferCount(chain, tenant.payTo);
  const held = heldAnswer();
  origin.answer = held.answer;
  const request = `${url}?held`;
  const header = await payer.sign(request);
  const lost = sendIntoTheDark(header, request);
  await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
  await world.kill();
  expect(await lost).toBeNull();
  held.release();
  await world.restart();
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers);

  const answer = await send(request, header);
  expect(answer).toMatchObject({ status: 200, paymentStatus: "settled", replayed: false });
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
});

test("killed after the answer: tenants, routes, stored responses and balances are all there again", async () => {
  const paid = await payer.pay(`${url}?kept`);
  const before = await tenant.api.balance();
  await world.kill();
  await world.restart();
  expect(await send(`${url}?kept`, paid.header)).toMatchObject({ status: 200, body: paid.body });
  const after = await tenant.api.balance();
  expect(after.settledAtomic).toBe(before.settledAtomic);
});

test("a settlement whose outcome is unknown is 503, and a resend gets the stored answer", async () => {
  const transfers = await transferCount(chain, tenant.payTo);
  await world.facilitators[0].control.inject({
    operation: "settle",
    fault: "settle-then-lost",
    times: 1,
  });
  const header = await payer.sign(`${url}?unknown`);
  const first = await send(`${url}?unknown`, header);
  expect(first).toMatchObject({
    status: 503,
    code: "settlement_unknown",
    paymentStatus: "unknown",
  });
  expect(Number(first.headers.get("Retry-After"))).toBeGreaterThan(0);
  await vi.waitFor(
    async () =>
      expect(await send(`${url}?unknown`, header)).toMatchObject({ status: 200, replayed: true }),
    WITHIN,
  );
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
});

test("a client that hung up before the answer and signs again gets that answer and is not charged again", async () => {
  const transfers = await transferCount(chain, tenant.payTo);
  const earlier = await latestReceipt();
  const held = heldAnswer();
  origin.answer = held.answer;
  const hangUp = new AbortController();
  const request = `${url}?hung-up`;
  const lost = send(request, await payer.sign(request), { signal: hangUp.signal }).catch(
    () => null,
  );
  await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
  hangUp.abort();
  expect(await lost).toBeNull();
  held.release();
  await vi.waitFor(async () => {
    const latest = await latestReceipt();
    expect(latest?.paymentId).not.toBe(earlier?.paymentId);
    expect(latest?.state).toMatch(/^(?:settled|confirmed)$/);
  }, WITHIN);

  const again = await payer.pay(request);
  expect(again).toMatchObject({ status: 200, paymentStatus: "superseded", body: '{"held":true}' });
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
});

test("one that lands only after the platform gave it up to the alarm is settled by another attempt", async () => {
  const transfers = await transferCount(chain, tenant.payTo);
  for (const { control } of world.facilitators) {
    await control.inject({ operation: "settle", fault: "500", times: 2 });
  }
  const header = await payer.sign(`${url}?later`);
  expect(await send(`${url}?later`, header)).toMatchObject({ status: 503 });
  await vi.waitFor(
    async () =>
      expect(await send(`${url}?later`, header)).toMatchObject({ status: 200, replayed: true }),
    WITHIN,
  );
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
});
