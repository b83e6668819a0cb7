/** Nothing that is not paid for runs a tenant's code: whatever is sent, the handler is not called. */
import { env } from "cloudflare:workers";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Route } from "../../src/contracts/snapshot.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import { dispatchKey } from "../../src/runtime/script/script-runtime.ts";
import { PaidCalls } from "../support/paid-calls.ts";

const VERSION = "5c".repeat(32);
const payer = generatePrivateKey();
let calls: PaidCalls;

const HANDLERS: Readonly<Record<Route["handler"]["kind"], () => Route["handler"]>> = {
  dataset: () => ({
    kind: "dataset",
    dataset: "items",
    store: "none",
    mode: "item",
    key: "id",
    columns: [],
  }),
  origin: () => ({ kind: "origin", url: "https://api.example/items", auth: null }),
  script: () => ({
    kind: "script",
    script: "items.js",
    version: VERSION,
    dispatchKey: dispatchKey({
      environment: env.ENVIRONMENT,
      tenantId: calls.tenantId,
      version: VERSION,
    }),
    allowedHosts: [],
  }),
};

/** Sells one item per path, by a handler of this kind. */
function open(kind: keyof typeof HANDLERS, change: Partial<Route> = {}): Promise<void> {
  const route: Route = {
    path: "/items/:key",
    methods: ["GET", "POST"],
    priceAtomic: "10000",
    description: "An item",
    mimeType: "text/plain",
    settlement: "after",
    execution: "after",
    resignGuard: true,
    replayGraceSeconds: 0,
    paymentIdentifier: "optional",
    signedReceipts: false,
    handler: HANDLERS[kind](),
    ...change,
  };
  return calls.open("after", { routes: [route] });
}

beforeEach(() => {
  calls = new PaidCalls();
});

afterEach(() => {
  vi.restoreAllMocks();
});

const GARBAGE: readonly (readonly [name: string, headers: Record<string, string>])[] = [
  ["no base64", { "PAYMENT-SIGNATURE": "%%%" }],
  ["no JSON", { "PAYMENT-SIGNATURE": btoa("not json") }],
  ["an empty document", { "PAYMENT-SIGNATURE": btoa("{}") }],
  ["a version that does not exist", { "PAYMENT-SIGNATURE": encodeHeader({ x402Version: 99 }) }],
  ["a v1 header of nothing", { "X-PAYMENT": btoa("[]") }],
  ["both headers", { "PAYMENT-SIGNATURE": "e30=", "X-PAYMENT": "e30=" }],
  ["a header over the cap", { "PAYMENT-SIGNATURE": btoa("x".repeat(60_000)) }],
  ["headers that claim it was paid", { "Payment-Status": "settled", "PAYMENT-RESPONSE": "e30=" }],
  ["the platform's own headers", { "Payment-Id": "pay_x", "Script-Invocation": "{}" }],
];

describe.each(["dataset", "origin", "script"] as const)("a %s is not run by", (kind) => {
  beforeEach(() => open(kind));

  test.each(["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])(
    "an unpaid %s",
    async (method) => {
      const answer = await calls.fetch(`${calls.base}/items/1`, { method });
      expect(answer.headers.get("Payment-Status")).not.toBe("settled");
      expect(method === "OPTIONS" || answer.status === 402).toBe(true);
      expect(calls.log).toEqual([]);
    },
  );

  test.each(GARBAGE)("%s", async (_name, headers) => {
    const answer = await calls.fetch(`${calls.base}/items/1`, { headers });
    expect([400, 402, 431]).toContain(answer.status);
    expect(calls.log).toEqual([]);
  });

  test("a signature that is somebody else's", async () => {
    calls.onVerify = async () => ({ isValid: false, invalidReason: "invalid_signature" });
    const answer = await calls.pay("1", payer, generatePrivateKey());
    expect(answer.headers.get("Payment-Status")).not.toBe("settled");
    expect(calls.runs()).toBe(0);
  });

  test("a payment without funds, or for another price", async () => {
    calls.onVerify = async () => ({ isValid: false, invalidReason: "insufficient_funds" });
    expect((await calls.pay("1", payer)).status).toBe(402);
    const header = await calls.sign("1", payer);
    await open(kind, { priceAtomic: "20000", path: "/items/:other" });
    await calls.send("1", header);
    expect(calls.runs()).toBe(0);
  });

  test("a payment that no facilitator can look at", async () => {
    calls.onVerify = () => Promise.reject(new Error("connection refused"));
    expect((await calls.pay("1", payer)).status).toBe(503);
    expect(calls.runs()).toBe(0);
  });

  test("anything but a payment that is good, which runs it once", async () => {
    expect((await calls.pay("1", payer)).status).toBe(200);
    expect(calls.runs()).toBe(1);
  });
});

describe("a route that says it runs alongside", () => {
  const invalid = async () => ({ isValid: false, invalidReason: "insufficient_funds" });

  test.each(["origin", "script"] as const)("does not, when it is a %s", async (kind) => {
    await open(kind, { execution: "alongside" });
    calls.onVerify = invalid;
    for (let count = 0; count < 3; count += 1) await calls.pay("1", payer);
    expect(calls.runs()).toBe(0);
  });

  test("does, when it is a dataset, for signatures that are their payers'", async () => {
    await open("dataset", { execution: "alongside" });
    calls.onVerify = invalid;
    await calls.pay("1", payer, generatePrivateKey());
    expect(calls.runs()).toBe(0);
    await calls.pay("1", payer);
    expect(calls.runs()).toBe(1);
  });
});
