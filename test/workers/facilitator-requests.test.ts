/** What facilitators are sent about a payment (x402 v2, section 7, and the same of v1): ours, whole, and nothing secret. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { parsePaymentPayload, parsePaymentRequirements } from "@x402/core/schemas";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { RoutedFacilitators } from "../../src/facilitator/routed-facilitators.ts";
import { decodeHeader, encodeHeader } from "../../src/payment/header-codec.ts";
import { PaidCalls } from "../support/paid-calls.ts";

const sentSchema = z.strictObject({
  x402Version: z.number(),
  paymentPayload: z.record(z.string(), z.json()),
  paymentRequirements: z.record(z.string(), z.json()),
});
const headerSchema = z.object({
  accepted: z.record(z.string(), z.json()),
  payload: z.record(z.string(), z.json()),
});

let calls: PaidCalls;

beforeEach(async () => {
  calls = new PaidCalls();
  await calls.open("after");
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The bodies of all calls at facilitators, in order. */
function sent() {
  return vi
    .mocked(fetch)
    .mock.calls.filter(([input]) => /\/(?:verify|settle)$/.test(new Request(input).url))
    .map(([, init]) => sentSchema.parse(JSON.parse(z.string().parse(init?.body))));
}

async function signed() {
  const decoded = decodeHeader(await calls.sign("1", generatePrivateKey()));
  return headerSchema.parse(decoded.ok ? decoded.value : null);
}

test("of v2: the same payment for verify and settle, with our own terms and without the quote or what the client added", async () => {
  const { accepted, payload } = await signed();
  const header = encodeHeader({
    x402Version: 2,
    resource: { url: `${calls.base}/items/1`, description: "free, says the client" },
    accepted: {
      ...accepted,
      extra: { ...z.looseObject({}).parse(accepted["extra"]), note: "mine" },
    },
    payload: { ...payload },
    extensions: { mine: { info: { secret: "of the client" } } },
  });
  expect((await calls.send("1", header)).status).toBe(200);
  const [verify, settle, ...others] = sent();
  expect(others).toEqual([]);
  for (const body of [verify, settle]) {
    expect(body).toMatchObject({
      x402Version: 2,
      paymentPayload: { x402Version: 2, resource: { description: "An item" } },
      paymentRequirements: { scheme: "exact", network: "eip155:84532", amount: "10000" },
    });
    expect(parsePaymentPayload(body?.paymentPayload).success).toBe(true);
    expect(parsePaymentRequirements(body?.paymentRequirements).success).toBe(true);
    expect(body?.paymentPayload["accepted"]).toEqual(body?.paymentRequirements);
    expect(JSON.stringify(body)).not.toMatch(/quote|note|of the client|says the client/);
  }
  expect(settle?.paymentPayload["payload"]).toEqual(verify?.paymentPayload["payload"]);
});

test("of v1: objects of v1 under v1's name for the network, with all members that v1 requires", async () => {
  const { payload } = await signed();
  const payment = { x402Version: 1, scheme: "exact", network: "base-sepolia", payload };
  const headers = { "X-PAYMENT": encodeHeader(payment) };
  expect((await calls.fetch(`${calls.base}/items/1`, { headers })).status).toBe(200);
  const bodies = sent();
  expect(bodies).toHaveLength(2);
  for (const { x402Version, paymentPayload, paymentRequirements } of bodies) {
    expect(x402Version).toBe(1);
    expect(Object.keys(paymentPayload).toSorted()).toEqual(Object.keys(payment).toSorted());
    expect(paymentPayload).toMatchObject({ x402Version: 1, network: "base-sepolia" });
    expect(paymentRequirements).toMatchObject({
      scheme: "exact",
      network: "base-sepolia",
      maxAmountRequired: "10000",
      resource: `${calls.base}/items/1`,
    });
    expect(parsePaymentPayload(paymentPayload).success).toBe(true);
    expect(parsePaymentRequirements(paymentRequirements).success).toBe(true);
  }
});

test("of v1 once more, by the ledger's alarm: chosen by the same kind, so that one of v2 alone is not asked", async () => {
  const chosen = vi.spyOn(RoutedFacilitators.prototype, "candidatesForSettle");
  calls.onSettle = async () => {
    throw new Error("connection reset");
  };
  const { payload } = await signed();
  const payment = { x402Version: 1, scheme: "exact", network: "base-sepolia", payload };
  const headers = { "X-PAYMENT": encodeHeader(payment) };
  expect((await calls.fetch(`${calls.base}/items/1`, { headers })).status).toBe(503);
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 5_000 });
  await runDurableObjectAlarm(env.SETTLEMENT_LEDGER.getByName(calls.tenantId));
  const kind = { x402Version: 1, scheme: "exact", network: "eip155:84532", extensions: [] };
  const kinds = chosen.mock.calls.map(([asked]) => asked);
  expect(kinds.length).toBeGreaterThan(1);
  expect(kinds).toEqual(kinds.map(() => kind));
});
