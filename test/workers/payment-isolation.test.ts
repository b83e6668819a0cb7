/** What payers send and get for one tenant buys, shows and sets nothing at another's. */
import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import { PaidCalls } from "../support/paid-calls.ts";
import { FORWARDING_HEADERS, VICTIM } from "../support/tenant-name-corpus.ts";

const payer = generatePrivateKey();
let acme: PaidCalls;
let other: PaidCalls;

beforeEach(async () => {
  [acme, other] = [new PaidCalls(), new PaidCalls()];
  for (const [calls, word] of [[acme, "of acme"] as const, [other, "of the other"] as const]) {
    await calls.open("after");
    calls.onRun = async () => new Response(word);
  }
});

afterEach(() => vi.restoreAllMocks());

const paymentSchema = z.looseObject({ accepted: z.looseObject({ extra: z.looseObject({}) }) });

function decode(header: string) {
  return paymentSchema.parse(JSON.parse(atob(header)));
}

/** At whichever: one of them answers for the facilitators of both. */
function settlements(): number {
  return acme.settled.length + other.settled.length;
}

describe("a payment for one tenant", () => {
  test("buys nothing at another, before it is spent and after", async () => {
    const header = await acme.sign("1", payer);
    expect((await other.send("1", header)).status).toBe(402);
    expect(await (await acme.send("1", header)).text()).toBe("of acme");
    expect((await other.send("1", header)).status).toBe(402);
    expect([other.runs(), settlements()]).toEqual([0, 1]);
    const again = await acme.send("1", header);
    expect([again.headers.get("Idempotent-Replayed"), await again.text()]).toEqual([
      "true",
      "of acme",
    ]);
  });

  test("buys nothing at another with the quote that the other one gave", async () => {
    const [ours, theirs] = [
      decode(await acme.sign("1", payer)),
      decode(await other.sign("1", payer)),
    ];
    for (const mixed of [
      { ...ours, accepted: theirs.accepted },
      { ...ours, accepted: { ...theirs.accepted, extra: ours.accepted.extra } },
      { ...theirs, accepted: ours.accepted },
    ]) {
      const answer = await other.send(
        "1",
        encodeHeader(z.record(z.string(), z.json()).parse(mixed)),
      );
      expect(answer.status).toBe(402);
    }
    expect([other.runs(), settlements()]).toEqual([0, 0]);
  });

  test("is not found under another's name", async () => {
    const paid = await acme.pay("1", payer);
    const paymentId = paid.headers.get("Payment-Id") ?? "";
    const statusOf = async (id: string) =>
      (await acme.fetch(`https://claw.example/payments/${id}`)).status;
    expect(await statusOf(paymentId)).toBe(200);
    expect(await statusOf(paymentId.replace(acme.tenantId, other.tenantId))).toBe(404);
    const ledgers = await listDurableObjectIds(env.SETTLEMENT_LEDGER);
    expect(await statusOf(paymentId.replace(acme.tenantId, "nobody"))).toBe(404);
    // A guessed name costs no ledger.
    expect(await listDurableObjectIds(env.SETTLEMENT_LEDGER)).toHaveLength(ledgers.length);
  });
});

test("an Idempotency-Key or payment-identifier of a payment is another one at another tenant", async () => {
  const send = async (calls: PaidCalls) => {
    const info = { required: false, id: "0123456789abcdef0123456789abcdef" };
    const payment = {
      ...decode(await calls.sign("1", payer)),
      extensions: { "payment-identifier": { info } },
    };
    const header = encodeHeader(z.record(z.string(), z.json()).parse(payment));
    const headers = { "PAYMENT-SIGNATURE": header, "Idempotency-Key": "0123456789abcdef" };
    return await calls.fetch(`${calls.base}/items/1`, { headers });
  };
  expect(await (await send(acme)).text()).toBe("of acme");
  const answer = await send(other);
  expect(answer.headers.get("Idempotent-Replayed")).toBeNull();
  expect(await answer.text()).toBe("of the other");
  expect([acme.runs(), other.runs()]).toEqual([1, 1]);
});

test.each(FORWARDING_HEADERS)("%s: %s leads to no other tenant", async (name, value) => {
  const headers = { [name]: value.replaceAll(VICTIM, acme.tenantId) };
  const nobodys = await acme.fetch("https://claw.example/items/1", { headers });
  expect(nobodys.status).toBe(404);
  const answer = await other.fetch(`${other.base}/items/1`, { headers });
  const required = z
    .looseObject({ resource: z.looseObject({ url: z.string() }) })
    .parse(JSON.parse(atob(answer.headers.get("PAYMENT-REQUIRED") ?? "")));
  expect(required.resource.url).toBe(`${other.base}/items/1`);
});

describe("an answer", () => {
  const HTML = "<script>document.cookie</script>";
  /** What a browser would take for said about every tenant of the origin, or about the platform. */
  const FOR_ALL = {
    "Set-Cookie": "session=stolen; Domain=localhost",
    "Clear-Site-Data": '"*"',
    "Strict-Transport-Security": "max-age=0; includeSubDomains",
    "Service-Worker-Allowed": "/",
    NEL: '{"report_to":"all","max_age":9999}',
    "Report-To": '{"group":"all","endpoints":[]}',
    "Alt-Svc": 'h3="evil.example:443"',
    "Accept-CH": "Sec-CH-UA-Model",
    "Access-Control-Allow-Credentials": "true",
    "Cache-Control": "public, max-age=9999",
    "PAYMENT-RESPONSE": "e30=",
    "X-PAYMENT-RESPONSE": "e30=",
    "Payment-Id": "pay_of_another_call",
    "Payment-Superseded-By": "pay_of_another_call",
    "Payment-Status": "settled",
  };

  const pay = async (base: string, header: string) =>
    await acme.fetch(`${base}/items/1`, { headers: { "PAYMENT-SIGNATURE": header } });

  beforeEach(() => {
    acme.onRun = async () =>
      new Response(HTML, { headers: { ...FOR_ALL, "Content-Type": "text/html", "X-Own": "1" } });
  });

  test("on the origin that tenants share runs in a sandbox of its own, also when it is replayed", async () => {
    const header = await acme.sign("1", payer);
    for (const answer of [await pay(acme.base, header), await pay(acme.base, header)]) {
      expect(answer.headers.get("Content-Security-Policy")).toBe("sandbox");
      expect([answer.headers.get("X-Own"), await answer.text()]).toEqual(["1", HTML]);
    }
  });

  test("keeps a policy of its own beside the sandbox", async () => {
    acme.onRun = async () =>
      new Response("<svg/>", {
        headers: { "Content-Type": "image/svg+xml", "Content-Security-Policy": "img-src 'none'" },
      });
    const answer = await acme.pay("1", payer);
    expect(answer.headers.get("Content-Security-Policy")).toBe("img-src 'none', sandbox");
  });

  test("on its tenant's own host is its tenant's page", async () => {
    const base = `https://${acme.tenantId}.localhost`;
    const header = await acme.signFor(await acme.fetch(`${base}/items/1`), payer);
    const answer = await pay(base, header);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Content-Security-Policy")).toBeNull();
    expect(answer.headers.get("Set-Cookie")).toBeNull();
  });

  test("says nothing about an origin, and nothing in the platform's name", async () => {
    const answer = await acme.pay("1", payer);
    for (const [name, value] of Object.entries(FOR_ALL)) {
      const kept = answer.headers.get(name);
      if (name !== "Payment-Status") expect([name, kept]).not.toEqual([name, value]);
    }
    expect(answer.headers.get("Payment-Status")).toBe("settled");
    expect(answer.headers.get("Cache-Control")).toContain("private");
  });
});
