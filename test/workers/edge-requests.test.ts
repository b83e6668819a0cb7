/** What the edge answers before anything is sold: methods, other origins, limits, and headers that are hostile. */
import { env } from "cloudflare:workers";
import { generatePrivateKey } from "viem/accounts";
import * as fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import {
  ADDRESS_FAILURES_MAX,
  ADDRESS_FORGOTTEN_AFTER_MS,
  PAYER_FAILURES_MAX,
  PAYER_FORGOTTEN_AFTER_MS,
  UNPROVED_FORGOTTEN_AFTER_MS,
  UNPROVED_MAX,
} from "../../src/dispatcher/edge/payment-attempts.ts";
import { PAYMENT_HEADER_MAX, decodeHeader, encodeHeader } from "../../src/payment/header-codec.ts";
import { ANSWER, PaidCalls } from "../support/paid-calls.ts";

const ITEM = "/items/1";
const INVALID = async () => ({ isValid: false, invalidReason: "insufficient_funds" });

let calls: PaidCalls;

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  calls = new PaidCalls();
  await calls.open("after");
});
beforeEach(() => {
  calls.log.length = 0;
  calls.onVerify = async () => ({ isValid: true });
});
afterAll(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const ask = (path: string, init: RequestInit = {}) => calls.fetch(calls.base + path, init);
const from = (address: string, header: string | null = null) => ({
  headers: {
    "CF-Connecting-IP": address,
    ...(header === null ? {} : { "PAYMENT-SIGNATURE": header }),
  },
});
const codeOf = async (answer: Response) => (await answer.json<{ code: string }>()).code;

describe("a bare request to what is sold", () => {
  test.each([
    ["GET", ITEM],
    ["POST", ITEM],
    ["PUT", "/reports/daily"],
    ["GET", "/reports/daily"],
    ["DELETE", "/reports/daily?a=1"],
    ["PATCH", "/items/no%20such%20item"],
  ])("by %s %s is 402, with the quote in both versions, not to be cached", async (method, path) => {
    const body = method === "GET" ? null : "not what it takes";
    const answer = await ask(path, { method, body });
    expect(answer.status).toBe(402);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.headers.get("Payment-Status")).toBe("required");
    const required = decodeHeader(answer.headers.get("PAYMENT-REQUIRED") ?? "");
    expect(required).toMatchObject({
      ok: true,
      value: { x402Version: 2, resource: { url: calls.base + path } },
    });
    expect(await answer.json()).toMatchObject({ x402Version: 1, code: "payment_required" });
  });

  test("by HEAD is the same 402 without its body", async () => {
    const head = await ask(ITEM, { method: "HEAD" });
    expect(head.status).toBe(402);
    expect(await head.text()).toBe("");
    const get = await ask(ITEM);
    expect([...head.headers.keys()]).toEqual([...get.headers.keys()]);
  });

  test("quotes the one spelling of its URL", async () => {
    const answer = await ask("/items/%53%c3%a3o?#top");
    expect(decodeHeader(answer.headers.get("PAYMENT-REQUIRED") ?? "")).toMatchObject({
      value: { resource: { url: `${calls.base}/items/S%C3%A3o` } },
    });
  });
});

describe("HEAD with a payment", () => {
  test("is 405 where only GET is sold, and charges nothing", async () => {
    const header = await calls.sign("1", generatePrivateKey());
    const answer = await ask(ITEM, { method: "HEAD", headers: { "PAYMENT-SIGNATURE": header } });
    expect([answer.status, await answer.text()]).toEqual([405, ""]);
    expect(answer.headers.get("Payment-Status")).toBe("not-charged");
    expect(answer.headers.get("Allow")).toBe("GET");
    expect(calls.log).toEqual([]);
  });
});

describe("pages of other origins", () => {
  test.each(["/items/1", "/no/such/route"])("may ask before they call %s", async (path) => {
    const answer = await ask(path, {
      method: "OPTIONS",
      headers: {
        Origin: "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "payment-signature,content-type",
      },
    });
    expect([answer.status, await answer.text()]).toEqual([204, ""]);
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBe("*");
    expect(answer.headers.get("Access-Control-Allow-Methods")).toContain("POST");
    const allowed = answer.headers.get("Access-Control-Allow-Headers")?.split(", ");
    expect(allowed).toEqual(
      expect.arrayContaining([
        "PAYMENT-SIGNATURE",
        "X-PAYMENT",
        "SIGN-IN-WITH-X",
        "Idempotency-Key",
        "Content-Type",
        "Access-Control-Expose-Headers",
      ]),
    );
    expect(Number(answer.headers.get("Access-Control-Max-Age"))).toBeGreaterThan(0);
  });

  test("reach no handler by OPTIONS, also with a payment", async () => {
    const header = await calls.sign("1", generatePrivateKey());
    const headers = { "PAYMENT-SIGNATURE": header };
    expect((await ask(ITEM, { method: "OPTIONS", headers })).status).toBe(204);
    expect(calls.log).toEqual([]);
  });

  test("may read every answer with what it says about the payment", async () => {
    calls.onRun = async () =>
      new Response(ANSWER, {
        headers: {
          "Access-Control-Allow-Origin": "https://one.example",
          "Access-Control-Allow-Credentials": "true",
        },
      });
    const header = await calls.sign("cors", generatePrivateKey());
    const paid = await calls.send("cors", header);
    const replayed = await calls.send("cors", header);
    expect(replayed.headers.get("Idempotent-Replayed")).toBe("true");
    expect(await replayed.text()).toBe(await paid.text());
    const answers = [
      paid,
      replayed,
      await ask(ITEM),
      await ask("//"),
      await ask("/no/such/route"),
      await calls.send("1", "malformed"),
      await calls.fetch("https://claw.example/t/NOBODY/x"),
      await calls.fetch("https://claw.example/payments/pay_unknown"),
    ];
    for (const { headers } of answers) {
      expect(headers.get("Access-Control-Allow-Origin")).toBe("*");
      expect(headers.get("Access-Control-Allow-Credentials")).toBeNull();
      for (const name of ["PAYMENT-REQUIRED", "PAYMENT-RESPONSE", "Payment-Status", "Retry-After"])
        expect(headers.get("Access-Control-Expose-Headers")).toContain(name);
    }
  });

  test("are told nothing by the tenants' and operators' own routes", async () => {
    const answer = await calls.fetch("https://claw.example/v1/receipts");
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBeNull();
  });
});

describe("a header that is no payment", () => {
  const valid = { x402Version: 2, accepted: {}, payload: {} };
  test.each([
    ["no base64", "%%%"],
    ["base64 of the URL alphabet", btoa('["??>>"]').replaceAll("/", "_")],
    ["base64 without its padding", btoa('{"a":1}').replace(/=+$/, "")],
    ["base64 of no JSON", btoa("{")],
    ["an empty object", encodeHeader({})],
    ["a payment of no version", encodeHeader({ ...valid, x402Version: 3 })],
    ["too long", "A".repeat(PAYMENT_HEADER_MAX + 4)],
    ["nested too deep", btoa(`${"[".repeat(20)}${"]".repeat(20)}`)],
    ["two headers in one", `${encodeHeader(valid)}, ${encodeHeader(valid)}`],
  ])("(%s) is 400, and no 402", async (_what, text) => {
    for (const name of ["PAYMENT-SIGNATURE", "X-PAYMENT"]) {
      const answer = await ask(ITEM, { headers: { [name]: text } });
      expect([answer.status, await codeOf(answer)]).toEqual([400, "malformed_payment"]);
      expect(answer.headers.get("Payment-Status")).toBe("not-charged");
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
    }
  });
});

describe("a payment by what is not sold here, whose payload nobody here can read", () => {
  const accepted = {
    amount: "10000",
    asset: `0x${"11".repeat(20)}`,
    payTo: `0x${"22".repeat(20)}`,
    maxTimeoutSeconds: 300,
  };
  test.each([
    ["scheme_mismatch", "batch-settlement", "eip155:84532"],
    ["network_mismatch", "exact", "stellar:pubnet"],
    ["network_mismatch", "exact", "constructor"],
  ])("is 402 %s with a new quote, and not malformed", async (code, scheme, network) => {
    const payload = { voucher: { of: "another kind" } };
    for (const headers of [
      {
        "PAYMENT-SIGNATURE": encodeHeader({
          x402Version: 2,
          accepted: { ...accepted, scheme, network },
          payload,
        }),
      },
      { "X-PAYMENT": encodeHeader({ x402Version: 1, scheme, network, payload }) },
    ]) {
      const answer = await ask(ITEM, { headers });
      expect([answer.status, await codeOf(answer)]).toEqual([402, code]);
      expect(answer.headers.get("Payment-Status")).toBe("not-charged");
      expect(answer.headers.has("PAYMENT-REQUIRED")).toBe(true);
    }
    expect(calls.log).toEqual([]);
  });
});

describe("whoever sends too much", () => {
  test("without a payment is told to wait; others are not, nor who pays", async () => {
    const header = await calls.sign("paid", generatePrivateKey());
    expect((await ask(ITEM, from("2001:db8::1"))).status).toBe(402);
    const exhausted = "2001:db8:0:0";
    // Local workerd takes too long over 2,000 of them for one period.
    vi.spyOn(env.UNPAID_LIMITER, "limit").mockImplementation(async ({ key }) => ({
      success: key !== exhausted,
    }));
    const limited = await ask(ITEM, from("2001:db8:0:0:ffff::2"));
    expect([limited.status, limited.headers.get("Retry-After"), await codeOf(limited)]).toEqual([
      429,
      "10",
      "rate_limited",
    ]);
    expect((await ask(ITEM, from("2001:db8:0:1::1"))).status).toBe(402);
    expect((await ask("/items/paid", from("2001:db8::1", header))).status).toBe(200);
  });

  test("payments that nobody is known to have signed asks facilitators a few times only", async () => {
    calls.onVerify = INVALID;
    const victim = generatePrivateKey();
    const forged = await calls.sign("1", victim, generatePrivateKey());
    for (let count = 0; count < UNPROVED_MAX; count += 1) {
      expect((await ask(ITEM, from("192.0.2.1", forged))).status).toBe(402);
    }
    calls.log.length = 0;
    const slowed = await ask(ITEM, from("192.0.2.1", forged));
    expect([slowed.status, slowed.headers.get("Retry-After")]).toEqual([429, "3"]);
    // It may be a payment that is known: nothing is said about its money.
    expect(slowed.headers.get("Payment-Status")).toBe("unknown");
    expect(calls.log).toEqual([]);
    // Nobody else is held up: not the payer whose name was used, nor other addresses.
    expect((await ask(ITEM, from("192.0.2.2", forged))).status).toBe(402);
    calls.onVerify = async () => ({ isValid: true });
    const genuine = await calls.sign("2", victim);
    expect((await ask("/items/2", from("192.0.2.1", genuine))).status).toBe(200);
    vi.setSystemTime(Date.now() + UNPROVED_FORGOTTEN_AFTER_MS);
    calls.onVerify = INVALID;
    expect((await ask(ITEM, from("192.0.2.1", forged))).status).toBe(402);
  });

  test("forged payments from one address are refused in the end before their signature is looked at", async () => {
    const forged = await calls.sign("1", generatePrivateKey(), generatePrivateKey());
    calls.onVerify = INVALID;
    for (let count = 0; count < ADDRESS_FAILURES_MAX; count += 1) {
      await ask(ITEM, from("192.0.2.9", forged));
    }
    // Each limit names a wait of its own: this is the address's, which comes before the signature.
    const slowed = await ask(ITEM, from("192.0.2.9", forged));
    expect([slowed.status, slowed.headers.get("Retry-After")]).toEqual([429, "1"]);
    vi.setSystemTime(Date.now() + ADDRESS_FORGOTTEN_AFTER_MS);
    expect((await ask(ITEM, from("192.0.2.9", forged))).headers.get("Retry-After")).toBe("3");
  });

  test("contract wallets that pay are not counted", async () => {
    for (let count = 0; count <= UNPROVED_MAX; count += 1) {
      const header = await calls.sign(`${count}`, generatePrivateKey(), generatePrivateKey());
      const answer = await ask(`/items/${count}`, from("192.0.2.3", header));
      expect(answer.status).toBe(200);
      await answer.text();
    }
  });

  test("payments of one payer that come to nothing slows that payer down, and loses no payment", async () => {
    const payer = generatePrivateKey();
    const settled = await calls.sign("settled", payer);
    expect((await calls.send("settled", settled)).status).toBe(200);
    const expired = await calls.sign("1", payer);
    vi.setSystemTime(Date.now() + 600_000);
    for (let count = 0; count < PAYER_FAILURES_MAX; count += 1) {
      expect((await calls.send("1", expired)).status).toBe(402);
    }
    const slowed = await calls.send("settled", settled);
    expect([slowed.status, slowed.headers.get("Retry-After")]).toEqual([429, "1"]);
    expect(slowed.headers.get("Payment-Status")).toBe("unknown");
    vi.setSystemTime(Date.now() + PAYER_FORGOTTEN_AFTER_MS);
    const replayed = await calls.send("settled", settled);
    expect([replayed.status, replayed.headers.get("Payment-Status")]).toEqual([200, "replayed"]);
  });

  test("payments of somebody else, which the chain shows to everybody, does not slow their payer down", async () => {
    const payer = generatePrivateKey();
    const seenOnChain = await calls.sign("public", payer);
    expect((await ask("/items/public", from("192.0.2.20", seenOnChain))).status).toBe(200);
    // Sent for another item, it comes to nothing.
    for (let count = 0; count < PAYER_FAILURES_MAX; count += 1) {
      expect((await ask("/items/9", from("192.0.2.21", seenOnChain))).status).toBe(409);
    }
    expect((await ask("/items/9", from("192.0.2.21", seenOnChain))).status).toBe(429);
    const own = await calls.sign("own", payer);
    expect((await ask("/items/own", from("192.0.2.20", own))).status).toBe(200);
  });
});

describe("hostile headers", () => {
  const text = fc.oneof(
    fc.string({ maxLength: 300 }).map((ascii) => ascii.replaceAll(/[^ -~]/g, "")),
    fc.json({ maxDepth: 6 }).map((json) => encodeHeader(JSON.parse(json))),
    fc.base64String({ maxLength: 400 }),
    fc.nat(60_000).map((length) => "A".repeat(length)),
    fc.nat(5_000).map((levels) => btoa('{"a":'.repeat(levels))),
  );
  /** A payment with one member replaced by anything, at any depth. */
  const mutated = (payment: unknown) =>
    fc
      .tuple(fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), fc.jsonValue({ maxDepth: 3 }))
      .map(([steps, value]) => encodeHeader(z.json().parse(replaced(payment, steps, value))));

  test("never break anything: no answer is a 5xx, and nothing is served", async () => {
    calls.onVerify = INVALID;
    const payment = decodeHeader(await calls.sign("1", generatePrivateKey()));
    if (!payment.ok) throw new Error("the test can't read its own payment");
    const values = fc.oneof(text, mutated(payment.value));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("PAYMENT-SIGNATURE", "X-PAYMENT", "SIGN-IN-WITH-X"),
        values,
        fc.constantFrom("Idempotency-Key", "Accept", "Content-Type", "CF-Connecting-IP", "Origin"),
        text,
        async (name, value, other, otherValue) => {
          const headers = new Headers();
          headers.set(name, value.trim());
          headers.set(other, otherValue.trim());
          const answer = await ask(ITEM, { headers });
          expect(answer.status).toBeGreaterThanOrEqual(400);
          expect(answer.status).toBeLessThan(500);
        },
      ),
      { numRuns: 2_000 },
    );
    expect(calls.runs()).toBe(0);
  }, 240_000);
});

function replaced(value: unknown, [step = 0, ...steps]: readonly number[], by: unknown): unknown {
  if (typeof value !== "object" || value === null) return by;
  const entries = Object.entries(value);
  const at = step % Math.max(1, entries.length);
  return Object.fromEntries(
    entries.map(([key, member], index) => {
      if (index !== at) return [key, member];
      return [key, steps.length === 0 ? by : replaced(member, steps, by)];
    }),
  );
}
