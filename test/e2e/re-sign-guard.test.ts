/**
 * A client that answers trouble by signing again pays once: whatever has become of the first payment when the second
 * one arrives. The client is the unmodified `@x402/fetch`, which knows nothing of all this.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { paymentStatusSchema } from "../../src/contracts/tenant-api.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { cancelPayment } from "../support/authorizations.ts";
import { transferCount } from "../support/chain-facts.ts";
import { OriginServer, heldAnswer } from "../support/origin-server.ts";
import { type Answer, Payer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import {
  PAID,
  REPLAYED,
  SUPERSEDED,
  SUPERSEDED_IN_PROGRESS,
  SUPERSEDED_UNKNOWN,
  UNKNOWN,
  expectRetryable,
  seen,
  sendUntilDecided,
} from "../support/sends.ts";

const WITHIN = { timeout: 45_000, interval: 50 };

let world: TestWorld;
let origin: OriginServer;
let chain: ChainTestClient;
let tenant: TestTenant;
let url: string;
let unguardedUrl: string;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

/** A tenant for each test: every transfer to it is this test's. Its handlers may be held for long. */
beforeEach(async () => {
  origin.reset();
  tenant = await world.createTenant("pro");
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [
      { path: "/guarded", origin: origin.url, price: "$0.01" },
      { path: "/unguarded", origin: origin.url, price: "$0.01", resignGuard: false },
    ],
  });
  url = `${world.url}/t/${tenant.tenantId}/guarded`;
  unguardedUrl = `${world.url}/t/${tenant.tenantId}/unguarded`;
});

afterEach(() => world.facilitators[0].control.clear());

/** The second payment got the first one's answer, and is told so. */
function expectSuperseded(second: Answer, first: Answer): void {
  expect(seen(second)).toEqual(SUPERSEDED);
  expect(second.headers.get("Payment-Superseded-By")).toBe(first.headers.get("Payment-Id"));
  expect(second.headers.get("PAYMENT-RESPONSE")).toBe(first.headers.get("PAYMENT-RESPONSE"));
  expect(second.body).toBe(first.body);
}

/** Of the payment that an answer tells its client to wait for. */
async function stateBehind({ body }: Answer): Promise<string> {
  const { statusUrl } = z.object({ statusUrl: z.string() }).parse(JSON.parse(body));
  return paymentStatusSchema.parse(await (await fetch(statusUrl)).json()).state;
}

async function expectCharged(handlerRuns: number, transfers: number): Promise<void> {
  expect(origin.calls).toBe(handlerRuns);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
}

/** Sends a payment and resolves when its handler has been asked; it answers when `release` is called. */
async function sendHeld(target: string, signal = new AbortController().signal) {
  const held = heldAnswer();
  origin.answer = held.answer;
  const header = await payer.sign(target);
  const sent = send(target, header, { signal });
  await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
  return { header, sent, release: () => held.release() };
}

test("signed again while the handler runs: told to come back, then given the first answer", async () => {
  const { sent, release } = await sendHeld(url);
  const second = await payer.pay(url);
  expect(seen(second)).toEqual(SUPERSEDED_IN_PROGRESS);
  expectRetryable(second);
  expect(await stateBehind(second)).toBe("claimed");
  release();
  const first = await sent;
  expect(seen(first)).toEqual(PAID);
  expect(second.headers.get("Payment-Superseded-By")).toBe(first.headers.get("Payment-Id"));
  expectSuperseded(await send(url, second.header), first);
  expect(await stateBehind(second)).toMatch(/^(?:settled|confirmed)$/);
  await expectCharged(1, 1);
});

test("signed again while the settlement is under way: waits for the first answer", async () => {
  const { control } = world.facilitators[0];
  await control.inject({ operation: "settle", fault: "slow", delayMs: 1_500, times: 1 });
  const header = await payer.sign(url);
  const sent = send(url, header);
  await vi.waitFor(async () => expect((await control.stats()).held).toBe(1), WITHIN);
  const second = await payer.pay(url);
  const first = await sent;
  expect(seen(first)).toEqual(PAID);
  expectSuperseded(second, first);
  await expectCharged(1, 1);
});

test("signed again while the outcome is unknown: unknown as well, then given the first answer", async () => {
  const { control } = world.facilitators[0];
  await control.inject({ operation: "settle", fault: "settle-then-lost", times: 1 });
  const header = await payer.sign(url);
  expect(seen(await send(url, header))).toEqual(UNKNOWN);
  const second = await payer.pay(url);
  expect([SUPERSEDED_UNKNOWN, SUPERSEDED]).toContainEqual(seen(second));
  const first = await sendUntilDecided(url, header);
  expect(seen(first)).toEqual(REPLAYED);
  expectSuperseded(await sendUntilDecided(url, second.header), first);
  await expectCharged(1, 1);
});

test("signed again after hanging up before the answer: given the answer that was paid for", async () => {
  const hangUp = new AbortController();
  const { header, sent, release } = await sendHeld(url, hangUp.signal);
  hangUp.abort();
  await expect(sent).rejects.toMatchObject({ name: "AbortError" });
  release();
  await vi.waitFor(async () => {
    const { receipts } = await tenant.api.receipts(new URLSearchParams({ limit: "1" }));
    expect(receipts[0]?.state).toMatch(/^(?:settled|confirmed)$/);
  }, WITHIN);
  const second = await payer.pay(url);
  const first = await send(url, header);
  expect(seen(first)).toEqual(REPLAYED);
  expectSuperseded(second, first);
  await expectCharged(1, 1);
  // Now it has been answered: the next one is a purchase.
  expect(seen(await payer.pay(url))).toEqual(PAID);
  await expectCharged(2, 2);
});

test("signed again after the answer: a second purchase, charged like any other", async () => {
  const first = await payer.pay(url);
  const second = await payer.pay(url);
  expect([seen(first), seen(second)]).toEqual([PAID, PAID]);
  expect(second.headers.has("Payment-Superseded-By")).toBe(false);
  expect(second.body).not.toBe(first.body);
  await expectCharged(2, 2);
});

test("signed again after an answer without a body: a second purchase as well", async () => {
  origin.answer = (_request, response) => response.writeHead(204).end();
  const paid = [204, null, "settled"];
  expect([seen(await payer.pay(url)), seen(await payer.pay(url))]).toEqual([paid, paid]);
  await expectCharged(2, 2);
});

test("signed again after the first payment failed: charged in its own right", async () => {
  const { header, sent, release } = await sendHeld(url);
  await cancelPayment(chain, header, payers[0].privateKey);
  release();
  expect(seen(await sent)).toEqual(UNKNOWN);
  const failed = await sendUntilDecided(url, header);
  expect(seen(failed)).toEqual([402, "authorization_canceled", "failed"]);
  expect(seen(await payer.pay(url))).toEqual(PAID);
  await expectCharged(2, 1);
});

test("with resignGuard off, signing again charges again", async () => {
  const { sent, release } = await sendHeld(unguardedUrl);
  const second = payer.pay(unguardedUrl);
  await vi.waitFor(() => expect(origin.calls).toBe(2), WITHIN);
  release();
  expect([seen(await sent), seen(await second)]).toEqual([PAID, PAID]);
  await expectCharged(2, 2);
});

test("another payer, and another request of the same payer, are none of its business", async () => {
  const { sent, release } = await sendHeld(url);
  origin.reset();
  expect(seen(await new Payer(payers[1].privateKey).pay(url))).toEqual(PAID);
  expect(seen(await payer.pay(`${url}?page=2`))).toEqual(PAID);
  release();
  expect(seen(await sent)).toEqual(PAID);
  await expectCharged(2, 3);
});
