/**
 * Clients as they are on the registry, at the running platform and a local chain: those of x402 v2, and those of v1 by
 * the requests that were recorded of them (`npm run conformance:v1` runs the v1 clients themselves).
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { wrapAxiosWithPayment, x402Client as AxiosClient } from "@x402/axios";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from "@x402/core/http";
import { parsePaymentRequired } from "@x402/core/schemas";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { create } from "axios";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { createPaymentClient } from "../../src/cli/paying-client.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { decodeHeader } from "../../src/payment/header-codec.ts";
import { transfersTo } from "../support/chain-facts.ts";
import { Payer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import { PAID, REPLAYED, seen } from "../support/sends.ts";
import { sendV1, signV1, v1Client } from "../support/v1-payer.ts";

const V2_NETWORK = "eip155:84532";
const V1_NETWORK = "base-sepolia";
const [{ privateKey, address }] = payers;

const authorizationSchema = z.strictObject({
  from: z.string(),
  to: z.string(),
  value: z.string(),
  validAfter: z.string(),
  validBefore: z.string(),
  nonce: z.string(),
});
const v1PaymentSchema = z.strictObject({
  x402Version: z.literal(1),
  scheme: z.literal("exact"),
  network: z.literal(V1_NETWORK),
  payload: z.strictObject({ signature: z.string(), authorization: authorizationSchema }),
});
const recordSchema = z.array(
  z.strictObject({
    client: z.string(),
    request: z.strictObject({
      method: z.literal("GET"),
      headers: z.record(z.string(), z.string()),
    }),
  }),
);
/** What x402-fetch and x402-axios insist on in each of `accepts`: a document without one of these makes them throw. */
const v1RequirementsSchema = z.object({
  scheme: z.literal("exact"),
  network: z.string(),
  maxAmountRequired: z.string().regex(/^\d+$/),
  resource: z.url(),
  description: z.string(),
  mimeType: z.string(),
  payTo: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  maxTimeoutSeconds: z.number().int(),
  asset: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  outputSchema: z.record(z.string(), z.json()).optional(),
  extra: z.record(z.string(), z.json()).optional(),
});

/** What the core specification says of every extension. */
const extensionSchema = z.looseObject({
  info: z.record(z.string(), z.json()),
  schema: z.record(z.string(), z.json()),
});

const records = recordSchema.parse(
  JSON.parse(readFileSync(join(import.meta.dirname, "v1-clients/v1-wire.json"), "utf8")),
);

let world: TestWorld;
let tenant: TestTenant;
let chain: ChainTestClient;
let url: string;

beforeAll(async () => {
  world = await TestWorld.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  [url = ""] = await world.sellCities(tenant);
});

afterAll(async () => {
  await world?.stop();
});

/** One more transfer of the price, from the payer and by the transaction that the answer names. */
async function expectSettled(header: string | null, network: string): Promise<void> {
  const settlement = decodePaymentResponseHeader(header ?? "");
  expect(settlement).toMatchObject({ success: true, network, payer: address.toLowerCase() });
  expect((await transfersTo(chain, tenant.payTo)).at(-1)).toEqual({
    from: address.toLowerCase(),
    amountAtomic: 10_000n,
    transaction: settlement.transaction,
  });
}

describe("clients of x402 v2", () => {
  test("@x402/fetch pays, and reads the settlement", async () => {
    const pay = wrapFetchWithPayment(fetch, createPaymentClient(privateKey, "$1"));
    const response = await pay(url);
    expect(response.status).toBe(200);
    expect(await response.json()).toHaveProperty("data");
    await expectSettled(response.headers.get("PAYMENT-RESPONSE"), V2_NETWORK);
  });

  test("@x402/axios pays, and reads the settlement", async () => {
    const account = privateKeyToAccount(privateKey);
    const client = new AxiosClient().register("eip155:*", new ExactEvmScheme(account));
    const response = await wrapAxiosWithPayment(create(), client).get<unknown>(url);
    expect(response.status).toBe(200);
    expect(response.data).toHaveProperty("data");
    await expectSettled(String(response.headers["payment-response"]), V2_NETWORK);
  });

  test("@x402/fetch falls back to v1 where a proxy drops PAYMENT-REQUIRED", async () => {
    const withoutHeader: typeof fetch = async (...request) => {
      const response = await fetch(...request);
      const headers = new Headers(response.headers);
      headers.delete("PAYMENT-REQUIRED");
      return new Response(response.body, { status: response.status, headers });
    };
    const response = await wrapFetchWithPayment(withoutHeader, v1Client(privateKey))(url);
    expect(response.status).toBe(200);
    expect(response.headers.has("PAYMENT-RESPONSE")).toBe(false);
    await expectSettled(response.headers.get("X-PAYMENT-RESPONSE"), V1_NETWORK);
  });
});

describe.each(records)("a request as $client sends it", ({ request }) => {
  const { "x-payment": recorded = "", ...headers } = request.headers;

  test("is what the specification of v1 prints, and nothing else", () => {
    const decoded = decodeHeader(recorded);
    expect(v1PaymentSchema.safeParse(decoded.ok ? decoded.value : null).error).toBeUndefined();
  });

  test("with a signature of today is paid, answered by v1, and answered again", async () => {
    const fresh = decodeHeader(await signV1(url, privateKey));
    const { payload } = v1PaymentSchema.parse(fresh.ok ? fresh.value : null);
    const renewed: Record<string, string> = {
      signature: payload.signature,
      ...payload.authorization,
    };
    // The client's own object, with its members in the client's own order.
    const payment: unknown = JSON.parse(atob(recorded), (name, value) => renewed[name] ?? value);
    const header = btoa(JSON.stringify(payment));
    const paid = await sendV1(url, header, headers);
    expect(seen(paid)).toEqual(PAID);
    expect(paid.headers.has("PAYMENT-RESPONSE")).toBe(false);
    await expectSettled(paid.headers.get("X-PAYMENT-RESPONSE"), V1_NETWORK);
    const again = await sendV1(url, header, headers);
    expect([...seen(again), again.body]).toEqual([...REPLAYED, paid.body]);
  });
});

describe("a 402", () => {
  test("is valid by the SDK's schemas and has all that v1 requires, for both versions on one URL", async () => {
    const response = await fetch(url);
    const header = decodePaymentRequiredHeader(response.headers.get("PAYMENT-REQUIRED") ?? "");
    expect(parsePaymentRequired(header)).toMatchObject({
      success: true,
      data: { x402Version: 2, resource: { url }, accepts: [{ network: V2_NETWORK }] },
    });
    const extensions = z.record(z.string(), extensionSchema).parse(header.extensions);
    expect(Object.keys(extensions)).toContain("payment-identifier");
    const body: unknown = await response.json();
    expect(parsePaymentRequired(body)).toMatchObject({ success: true, data: { x402Version: 1 } });
    const document = z.object({ error: z.string(), accepts: z.array(v1RequirementsSchema) });
    expect(document.parse(body).accepts).toMatchObject([{ network: V1_NETWORK, resource: url }]);
  });

  test("of a payment that failed names the reason in both versions, and quotes anew", async () => {
    const poor = `0x${"77".repeat(32)}` as const;
    const failed = await sendV1(url, await signV1(url, poor));
    expect(seen(failed)).toEqual([402, "insufficient_funds", "not-charged"]);
    const required = decodePaymentRequiredHeader(failed.headers.get("PAYMENT-REQUIRED") ?? "");
    expect(required).toMatchObject({ x402Version: 2, error: "insufficient_funds" });
    expect(JSON.parse(failed.body)).toMatchObject({ x402Version: 1, error: "insufficient_funds" });
    expect(failed.headers.get("Cache-Control")).toBe("no-store");
  });
});

describe("a payment in the wrong place", () => {
  test("v1 in the header of v2, or v2 in the header of v1, is 400 and not 402", async () => {
    const v1 = await signV1(url, privateKey);
    const v2 = await new Payer(privateKey).sign(url);
    const answers = [await send(url, v1), await sendV1(url, v2)];
    for (const answer of answers) {
      expect([answer.status, answer.code]).toEqual([400, "malformed_payment"]);
    }
  });
});

test("a v1 payment where v1 is not offered is refused with the reason, and not charged", async () => {
  const seller = await world.createTenant();
  const [sold = ""] = await world.sellCities(seller);
  const route = { dataset: "cities", price: "$0.01" } as const;
  await seller.api.deploy({
    tenant: seller.tenantId,
    datasets: { cities: { file: "cities.csv", key: "id", indexes: ["country"] } },
    routes: [
      { ...route, path: "/cities" },
      { ...route, path: "/named", paymentIdentifier: "required" },
      { ...route, path: "/before", settlement: "before" },
    ],
  });
  const header = await signV1(sold, privateKey);
  const elsewhere = (path: string) => sendV1(sold.replace(/\/cities$/, path), header);
  expect(seen(await elsewhere("/named"))).toEqual([
    400,
    "payment_identifier_required",
    "not-charged",
  ]);
  expect(seen(await elsewhere("/before"))).toEqual([402, "offer_not_matched", "not-charged"]);
  expect(await transfersTo(chain, seller.payTo)).toEqual([]);
  expect(seen(await elsewhere("/cities"))).toEqual(PAID);
});
