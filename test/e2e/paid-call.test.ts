/** The paid path with the official client, on a real chain: what is charged, what is answered, and what is not. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chainTestClient, type ChainTestClient } from "../../src/local/chain-test-client.ts";
import { payers } from "../../src/local/accounts.ts";
import { tokenBalance, transferCount } from "../support/chain-facts.ts";
import { OriginServer } from "../support/origin-server.ts";
import { Payer, quoteOf, readAnswer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import { rawRequest } from "../support/raw-request.ts";

const IN_THE_END_PAID = ["payment_in_progress", "settlement_unknown"];

let world: TestWorld;
let origin: OriginServer;
let tenant: TestTenant;
let chain: ChainTestClient;
let cities: string;
let echo: string;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  await world.sellCities(tenant);
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    datasets: {},
    routes: [
      { path: "/cities", dataset: "cities", price: "$0.01" },
      { path: "/echo", origin: origin.url, price: "$0.01" },
      { path: "/other", origin: origin.url, price: "$0.01" },
    ],
  });
  cities = `${world.url}/t/${tenant.tenantId}/cities`;
  echo = `${world.url}/t/${tenant.tenantId}/echo`;
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(async () => {
  origin.reset();
  await Promise.all(world.facilitators.map(({ control }) => control.clear()));
});

describe("an unpaid call", () => {
  test("gets 402 with a v2 quote in the header, the v1 document in the body, and no store", async () => {
    const response = await fetch(cities);
    expect(response.status).toBe(402);
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("Payment-Status")).toBe("required");
    expect(await response.json()).toMatchObject({
      x402Version: 1,
      code: "payment_required",
      accepts: [{ scheme: "exact", network: "base-sepolia", maxAmountRequired: "10000" }],
    });
    expect(await quoteOf(cities)).toMatchObject({
      x402Version: 2,
      accepts: [{ scheme: "exact", network: "eip155:84532", amount: "10000", payTo: tenant.payTo }],
    });
  });

  test("with a malformed parameter is told so before anyone pays", async () => {
    const answer = await readAnswer(await fetch(`${cities}?population=gte.many`));
    expect([answer.status, answer.code]).toEqual([400, "invalid_parameter"]);
  });

  test("of an unknown tenant or route is 404, and of a doubtful path 400", async () => {
    const code = async (path: string) => (await readAnswer(await fetch(world.url + path))).code;
    expect(await code("/t/no-such-tenant/cities")).toBe("unknown_tenant");
    expect(await code(`/t/${tenant.tenantId}/nothing`)).toBe("unknown_route");
    expect(await code(`/t/${tenant.tenantId}/cities%2f1`)).toBe("invalid_path");
    expect(await code(`/t/${tenant.tenantId}//cities`)).toBe("invalid_path");
  });
});

describe("a request line that no client library would send", () => {
  test.each([
    "/t/TENANT/../TENANT/echo",
    "/t/TENANT/./echo",
    "/t/TENANT//echo",
    "/t/TENANT/echo/",
    "/t/TENANT/%2e%2e/TENANT/echo",
    "/t/TENANT\\echo",
    "/t/TENANT/echo\\",
    "/t/TENANT/echo%00",
    "/t/TENANT/x%2f..%2fecho",
    "/./t/TENANT/echo",
    "//t/TENANT/echo",
    "/T/TENANT/echo",
    "\\t\\TENANT\\echo",
    "http://evil.example/t/TENANT/echo/..",
    "*",
    "/t/TENANT/ec\tho",
    "/t/TENANT/echo#/../..",
  ])("%s gets nothing unpaid, and pays for nothing else", async (spelling) => {
    const target = spelling.replaceAll("TENANT", tenant.tenantId);
    const header = await payer.sign(echo);
    const unpaid = await rawRequest(world.url, target);
    const paid = await rawRequest(world.url, target, { "PAYMENT-SIGNATURE": header });
    expect([400, 402, 404]).toContain(unpaid.status);
    expect([200, 400, 404]).toContain(paid.status);
    expect(paid.status === 200).toBe(unpaid.status === 402);
    expect(origin.calls).toBe(paid.status === 200 ? 1 : 0);
  });

  test("by any header a proxy might believe, changes nothing of what is asked for", async () => {
    const headers = { "X-Original-URL": "/healthz", "X-Forwarded-Path": "/", Range: "bytes=0-" };
    const answer = await rawRequest(world.url, new URL(echo).pathname, headers);
    expect(answer.status).toBe(402);
  });
});

describe("a paid call by the unmodified client", () => {
  test("gets the rows, moves exactly the price once, and is on the receipt", async () => {
    const before = await tokenBalance(chain, tenant.payTo);
    const answer = await payer.pay(`${cities}?country=eq.PE&limit=3`);
    expect([answer.status, answer.paymentStatus]).toEqual([200, "settled"]);
    expect(answer.headers.get("Cache-Control")).toBe("private");
    expect(await tokenBalance(chain, tenant.payTo)).toBe(before + 10_000n);
    const { receipts } = await tenant.api.receipts(new URLSearchParams({ limit: "1" }));
    expect(receipts[0]).toMatchObject({
      paymentId: answer.headers.get("Payment-Id"),
      amountAtomic: "10000",
      feeAtomic: "1000",
    });
  });

  test("sent again gets the identical bytes and headers, and costs nothing", async () => {
    const first = await payer.pay(echo);
    const transfers = await transferCount(chain, tenant.payTo);
    const again = await send(echo, first.header);
    expect(again).toMatchObject({ status: 200, body: first.body, replayed: true });
    for (const name of ["Content-Type", "PAYMENT-RESPONSE", "Payment-Id"]) {
      expect(again.headers.get(name)).toBe(first.headers.get(name));
    }
    expect(origin.calls).toBe(1);
    expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
  });

  test("on another request is a conflict", async () => {
    const { header } = await payer.pay(echo);
    for (const url of [echo.replace("/echo", "/other"), `${echo}?x=1`]) {
      const answer = await send(url, header);
      expect([answer.status, answer.code]).toEqual([409, "payment_conflict"]);
    }
    expect(origin.calls).toBe(1);
  });

  test("sent 20 times at once runs the handler once and moves the money once", async () => {
    const transfers = await transferCount(chain, tenant.payTo);
    const header = await payer.sign(echo);
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(echo, header)));
    const bodies = new Set<string>();
    for (const answer of answers) {
      // Those that waited for the first are told to come back after a while.
      if (answer.status !== 200) expect(IN_THE_END_PAID).toContain(answer.code);
      const final = answer.status === 200 ? answer : await send(echo, header);
      expect(final.status).toBe(200);
      bodies.add(final.body);
    }
    expect(bodies.size).toBe(1);
    expect(origin.calls).toBe(1);
    expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
  });

  test("by several payers at once charges each once", async () => {
    const transfers = await transferCount(chain, tenant.payTo);
    const answers = await Promise.all(
      payers.map(({ privateKey }) => new Payer(privateKey).pay(`${echo}?several`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(payers.map(() => 200));
    expect(await transferCount(chain, tenant.payTo)).toBe(transfers + payers.length);
  });
});

describe("a payment that does not fit is refused, runs nothing and moves nothing", () => {
  const authorizationOf = (payload: Record<string, unknown>) =>
    payload["authorization"] as Record<string, string>;

  test.each<
    [
      string,
      (payload: { accepted: Record<string, unknown>; payload: Record<string, unknown> }) => void,
      number,
      string,
    ]
  >([
    [
      "an amount other than the price",
      ({ payload }) => {
        authorizationOf(payload)["value"] = "9999";
      },
      402,
      "amount_mismatch",
    ],
    [
      "a price of the client's own making",
      ({ accepted, payload }) => {
        accepted["amount"] = "1";
        authorizationOf(payload)["value"] = "1";
      },
      402,
      "offer_not_matched",
    ],
    [
      "another recipient",
      ({ payload }) => {
        authorizationOf(payload)["to"] = payers[4].address;
      },
      402,
      "recipient_mismatch",
    ],
    [
      "an expiry in the past",
      ({ payload }) => {
        authorizationOf(payload)["validBefore"] = "1700000000";
      },
      402,
      "authorization_expired",
    ],
    [
      "an expiry far in the future",
      ({ payload }) => {
        authorizationOf(payload)["validBefore"] = "99999999999";
      },
      402,
      "authorization_valid_too_long",
    ],
    [
      "a signature of somebody else",
      ({ payload }) => {
        payload["signature"] = `0x${"12".repeat(32)}${"34".repeat(32)}1b`;
      },
      402,
      "invalid_signature",
    ],
    [
      "a quote we did not sign",
      ({ accepted }) => {
        accepted["extra"] = { name: "USDC", version: "2", quote: "q1.e30.AAAA" };
      },
      402,
      "quote_invalid",
    ],
    [
      "a nonce that is not 32 bytes",
      ({ payload }) => {
        authorizationOf(payload)["nonce"] = "0x01";
      },
      400,
      "malformed_payment",
    ],
  ])("%s", async (_what, change, status, code) => {
    const transfers = await transferCount(chain, tenant.payTo);
    const header = await payer.sign(echo, (payload) => {
      change(payload);
    });
    const answer = await send(echo, header);
    expect([answer.status, answer.code]).toEqual([status, code]);
    expect(origin.calls).toBe(0);
    expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
  });

  test.each([
    ["garbage", "garbage!"],
    ["base64 of garbage", btoa("garbage")],
    ["an empty object", btoa("{}")],
    [
      "a v1 payload in the v2 header",
      btoa('{"x402Version":1,"scheme":"exact","network":"base-sepolia","payload":{}}'),
    ],
    ["a header of 20,000 characters", "A".repeat(20_000)],
  ])("%s in the header is 400", async (_what, header) => {
    const answer = await send(echo, header);
    expect([answer.status, answer.code]).toEqual([400, "malformed_payment"]);
  });
});

test("a payment with a method the route does not answer is 405, and charges nothing", async () => {
  const header = await payer.sign(echo);
  const response = await fetch(echo, {
    method: "POST",
    headers: { "PAYMENT-SIGNATURE": header },
    body: "x",
  });
  expect(response.headers.get("Allow")).toBe("GET");
  const answer = await readAnswer(response);
  expect([answer.status, answer.code]).toEqual([405, "method_not_allowed"]);
  expect(origin.calls).toBe(0);
});

describe("a handler that does not deliver charges nothing", () => {
  test.each([404, 422, 500, 302])("status %i passes through", async (status) => {
    origin.answer = (_request, response) => {
      response.statusCode = status;
      response.setHeader("Location", "https://example.com/");
      response.end("no");
    };
    const transfers = await transferCount(chain, tenant.payTo);
    const header = await payer.sign(echo);
    const response = await fetch(echo, {
      headers: { "PAYMENT-SIGNATURE": header },
      redirect: "manual",
    });
    const answer = await readAnswer(response);
    expect([answer.status, answer.paymentStatus, answer.body]).toEqual([
      status,
      "not-charged",
      "no",
    ]);
    expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
    // The payment is free again: the same header buys the answer once the handler recovers.
    origin.reset();
    expect(await send(echo, header)).toMatchObject({ status: 200, replayed: false });
  });

  test("one that breaks the connection is 502", async () => {
    origin.answer = (_request, response) => response.destroy();
    const answer = await send(echo, await payer.sign(echo));
    expect([answer.status, answer.code]).toEqual([502, "handler_failed"]);
  });

  test("one that answers more than the plan's cap is 502", async () => {
    origin.answer = (_request, response) => response.end(Buffer.alloc(11 * 1024 * 1024));
    const answer = await send(echo, await payer.sign(echo));
    expect([answer.status, answer.code]).toEqual([502, "response_too_large"]);
  });

  test("one whose headers are more than a client reads is 502, and not charged", async () => {
    origin.answer = (_request, response) => {
      response.setHeader("Link", `<https://example.com/${"a".repeat(9_000)}>; rel="next"`);
      response.end("what nobody could read");
    };
    const answer = await send(echo, await payer.sign(echo));
    expect([answer.status, answer.code, answer.paymentStatus]).toEqual([
      502,
      "handler_failed",
      "not-charged",
    ]);
  });
});
