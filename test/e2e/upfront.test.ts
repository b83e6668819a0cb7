/** Upfront routes: the money moves first, the answer passes through as it comes, and a payment is owed until it did. */
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { sampleCitiesCsv } from "../../src/cli/sample-data.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { FULFILMENT_ATTEMPTS_MAX } from "../../src/settlement/fulfilment.ts";
import { transferCount } from "../support/chain-facts.ts";
import { OriginServer, heldAnswer } from "../support/origin-server.ts";
import { Payer, quoteOf, readAnswer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

let world: TestWorld;
let origin: OriginServer;
let tenant: TestTenant;
let chain: ChainTestClient;
let upfront: string;
let after: string;
const payer = new Payer(payers[0].privateKey);
const WITHIN = { timeout: 45_000, interval: 250 };

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  await world.sellCities(tenant);
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [
      {
        path: "/download",
        dataset: "cities",
        mode: "download",
        price: "$0.01",
        settlement: "before",
      },
      { path: "/upfront", origin: origin.url, price: "$0.01", settlement: "before" },
      { path: "/after", origin: origin.url, price: "$0.01" },
    ],
  });
  upfront = `${world.url}/t/${tenant.tenantId}/upfront`;
  after = `${world.url}/t/${tenant.tenantId}/after`;
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(async () => {
  origin.reset();
  await Promise.all(world.facilitators.map(({ control }) => control.clear()));
});

const transfers = () => transferCount(chain, tenant.payTo);

async function verifyCalls(): Promise<number> {
  const stats = await Promise.all(world.facilitators.map(({ control }) => control.stats()));
  return stats.reduce((sum, { calls }) => sum + calls.verify.received, 0);
}

async function stateOf(paymentId: string | null): Promise<string | undefined> {
  return (await tenant.api.receipt(paymentId ?? "")).state;
}

function failing(status: number) {
  return (_request: unknown, response: ServerResponse) => {
    response.statusCode = status;
    response.end("not now");
  };
}

describe("an upfront route", () => {
  test("says so in its quote, and offers nothing to v1 clients", async () => {
    expect((await quoteOf(upfront)).accepts).toMatchObject([{ extra: { paymentFlow: "upfront" } }]);
    expect(await (await fetch(upfront)).json()).toMatchObject({ x402Version: 1, accepts: [] });
    expect((await quoteOf(after)).accepts[0]?.extra).not.toHaveProperty("paymentFlow");
  });

  test("settles before the handler runs, without a verify call, and is fulfilled by its answer", async () => {
    const before = await transfers();
    const verifies = await verifyCalls();
    let transfersSeenByHandler = -1;
    origin.answer = (_request, response) => {
      void (async () => {
        transfersSeenByHandler = await transfers();
        response.end("worth it");
      })();
    };
    const answer = await payer.pay(upfront);
    expect(answer).toMatchObject({ status: 200, body: "worth it", paymentStatus: "settled" });
    expect(answer.headers.get("Cache-Control")).toBe("private");
    expect(answer.headers.get("PAYMENT-RESPONSE")).not.toBeNull();
    expect(transfersSeenByHandler).toBe(before + 1);
    expect(await verifyCalls()).toBe(verifies);
    expect(await stateOf(answer.headers.get("Payment-Id"))).toBe("fulfilled");
  });

  test("passes an event stream through as it comes", async () => {
    let sendLast = () => {};
    origin.answer = (_request, response) => {
      response.setHeader("Content-Type", "text/event-stream");
      response.write("data: first\n\n");
      sendLast = () => response.end("data: last\n\n");
    };
    const response = await fetch(upfront, {
      headers: { "PAYMENT-SIGNATURE": await payer.sign(upfront) },
    });
    expect(response.headers.get("Content-Type")).toBe("text/event-stream");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    // The last event is only sent once the first has arrived here.
    expect((await reader?.read())?.value).toBe("data: first\n\n");
    sendLast();
    expect((await reader?.read())?.value).toBe("data: last\n\n");
    expect((await reader?.read())?.done).toBe(true);
  });

  test("passes a body through that is over the cap of what can be stored", async () => {
    const bytes = 11 * 1024 * 1024;
    origin.answer = (_request, response) => response.end(Buffer.alloc(bytes, "a"));
    const answer = await payer.pay(upfront);
    expect([answer.status, answer.body.length]).toEqual([200, bytes]);
  });

  test("sells a dataset's download as well", async () => {
    const answer = await payer.pay(upfront.replace("/upfront", "/download?format=csv"));
    expect([answer.status, answer.paymentStatus]).toEqual([200, "settled"]);
    expect(answer.body.trim().split("\n").length).toBe(sampleCitiesCsv().trim().split("\n").length);
  });

  test("keeps no answer: sent again, a fulfilled payment is 410 and runs nothing", async () => {
    const { header, headers } = await payer.pay(upfront);
    const again = await send(upfront, header);
    expect([again.status, again.code]).toEqual([410, "response_expired"]);
    expect(again.headers.get("PAYMENT-RESPONSE")).toBe(headers.get("PAYMENT-RESPONSE"));
    expect(again.paymentStatus).toBe("settled");
    expect(origin.calls).toBe(1);
  });

  test("sent many times at once moves the money once and runs the handler once at a time", async () => {
    const before = await transfers();
    const held = heldAnswer();
    origin.answer = held.answer;
    const header = await payer.sign(upfront);
    const sends = Array.from({ length: 10 }, () => send(upfront, header));
    await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
    held.release();
    const statuses = (await Promise.all(sends)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => ![200, 409, 410, 503].includes(status))).toEqual([]);
    expect(origin.calls).toBe(1);
    expect(await transfers()).toBe(before + 1);
  });

  test("takes no payment from a client that did not accept to pay first", async () => {
    const before = await transfers();
    const header = await payer.sign(upfront, ({ accepted }) => {
      delete accepted.extra["paymentFlow"];
    });
    const answer = await send(upfront, header);
    expect([answer.status, answer.code]).toEqual([402, "offer_not_matched"]);
    expect(await transfers()).toBe(before);
  });

  test("runs nothing when the settlement is refused", async () => {
    const header = await payer.sign(upfront, ({ payload }) => {
      payload["signature"] = `0x${"12".repeat(32)}${"34".repeat(32)}1b`;
    });
    const answer = await send(upfront, header);
    expect([answer.status, answer.code]).toEqual([402, "invalid_signature"]);
    expect(origin.calls).toBe(0);
  });
});

describe("a handler that fails after the money moved", () => {
  test("answers with its own status, and the same payment runs it again", async () => {
    const before = await transfers();
    origin.answer = failing(503);
    const header = await payer.sign(upfront);
    const failed = await send(upfront, header);
    expect(failed).toMatchObject({ status: 503, body: "not now", paymentStatus: "settled" });
    const paymentId = failed.headers.get("Payment-Id");
    expect(await stateOf(paymentId)).toBe("settled_unfulfilled");
    origin.answer = failing(404);
    expect(await send(upfront, header)).toMatchObject({ status: 404, paymentStatus: "settled" });
    const calls = origin.calls;
    origin.reset();
    const answer = await send(upfront, header);
    expect(answer).toMatchObject({ status: 200, paymentStatus: "settled", replayed: false });
    expect(calls).toBe(2);
    expect(await stateOf(paymentId)).toBe("fulfilled");
    expect(await transfers()).toBe(before + 1);
  });

  test("is cut off at its deadline, which counts as a failed run", async () => {
    let cutOff = false;
    origin.answer = (_request, response) => {
      response.on("close", () => {
        cutOff = true;
      });
    };
    const header = await payer.sign(upfront);
    const failed = await send(upfront, header);
    expect(failed).toMatchObject({
      status: 429,
      code: "tenant_limit_exceeded",
      paymentStatus: "settled",
    });
    await vi.waitFor(() => expect(cutOff).toBe(true), WITHIN);
    origin.reset();
    expect(await send(upfront, header)).toMatchObject({ status: 200 });
  });

  test("serves a payer who signs again under the first payment, and charges once", async () => {
    const before = await transfers();
    origin.answer = (_request, response) => response.destroy();
    const url = `${upfront}?signs-again`;
    const failed = await send(url, await payer.sign(url));
    expect(failed).toMatchObject({ status: 502, code: "handler_failed", paymentStatus: "settled" });
    origin.reset();
    const answer = await send(url, await payer.sign(url));
    expect(answer).toMatchObject({ status: 200, paymentStatus: "superseded" });
    expect(answer.headers.get("Payment-Superseded-By")).toBe(failed.headers.get("Payment-Id"));
    expect(await transfers()).toBe(before + 1);
  });

  test(`runs ${FULFILMENT_ATTEMPTS_MAX} times at most; then it is a credit that everyone can see`, async () => {
    const before = await transfers();
    const credits = BigInt((await tenant.api.balance()).creditsAtomic);
    origin.answer = failing(500);
    const header = await payer.sign(upfront);
    for (let run = 1; run <= FULFILMENT_ATTEMPTS_MAX; run += 1) {
      expect((await send(upfront, header)).status).toBe(500);
    }
    origin.answer = failing(200);
    const answer = await send(upfront, header);
    expect(answer).toMatchObject({
      status: 502,
      code: "paid_undelivered",
      paymentStatus: "settled",
    });
    expect(origin.calls).toBe(FULFILMENT_ATTEMPTS_MAX);
    expect(await transfers()).toBe(before + 1);
    const paymentId = answer.headers.get("Payment-Id");
    expect(await stateOf(paymentId)).toBe("paid_undelivered");
    const status = await fetch(`${world.url}/payments/${paymentId}`);
    expect(await status.json()).toMatchObject({ state: "paid_undelivered" });
    expect((await tenant.api.balance()).creditsAtomic).toBe(String(credits + 10_000n));
    const { receipts } = await tenant.api.receipts(
      new URLSearchParams({ state: "paid_undelivered" }),
    );
    expect(receipts.map((receipt) => receipt.paymentId)).toContain(paymentId);
  });

  test("is owed after a crash of the platform", async () => {
    const before = await transfers();
    const held = heldAnswer();
    origin.answer = held.answer;
    const header = await payer.sign(upfront);
    const lost = send(upfront, header).catch(() => null);
    await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
    await world.kill();
    expect(await lost).toBeNull();
    held.release();
    await world.restart();
    expect(await send(upfront, header)).toMatchObject({ status: 200, paymentStatus: "settled" });
    expect(await transfers()).toBe(before + 1);
  });
});

describe("a settlement whose outcome is unknown", () => {
  test("is 503 and runs nothing; once the alarm has settled it, a resend runs the handler", async () => {
    const before = await transfers();
    await world.facilitators[0].control.inject({
      operation: "settle",
      fault: "settle-then-lost",
      times: 1,
    });
    const header = await payer.sign(upfront);
    const first = await send(upfront, header);
    expect(first).toMatchObject({ status: 503, code: "settlement_unknown" });
    expect(origin.calls).toBe(0);
    const { paymentId } = JSON.parse(first.body);
    await vi.waitFor(
      async () => expect(await stateOf(paymentId)).toBe("settled_unfulfilled"),
      WITHIN,
    );
    expect(await send(upfront, header)).toMatchObject({ status: 200, paymentStatus: "settled" });
    expect(origin.calls).toBe(1);
    expect(await transfers()).toBe(before + 1);
  });
});

test("an event stream on a route that is paid afterwards is refused, and not charged", async () => {
  const before = await transfers();
  origin.answer = (_request, response) => {
    response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
    response.write("data: first\n\n");
  };
  const answer = await readAnswer(
    await fetch(after, { headers: { "PAYMENT-SIGNATURE": await payer.sign(after) } }),
  );
  expect(answer).toMatchObject({
    status: 502,
    code: "response_not_storable",
    paymentStatus: "not-charged",
  });
  expect(await transfers()).toBe(before);
});
