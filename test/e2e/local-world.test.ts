/**
 * Local facilitators on a local chain, called by the reference packages' own client: what they settle moves money,
 * and each fault does what it says. What counts is always the transfers on the chain, before and after.
 */
import { x402Client } from "@x402/core/client";
import { HTTPFacilitatorClient } from "@x402/core/server";
import type { PaymentPayload, PaymentRequirements, SettleResponse } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/client";
import { parseAbiItem } from "viem";
import { generatePrivateKey, privateKeyToAccount, privateKeyToAddress } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { facilitatorKeys, payers } from "../../src/local/accounts.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import type { ChainTestClient } from "../../src/local/chain-test-client.ts";
import { startChain } from "../../src/local/chain.ts";
import type { LocalChain } from "../../src/local/chain.ts";
import { facilitatorControl } from "../../src/local/facilitator-control.ts";
import { startFacilitator } from "../../src/local/facilitator.ts";
import type { LocalFacilitator } from "../../src/local/facilitator.ts";
import { LOCAL_NETWORK, USDC_ADDRESS } from "../../src/local/local-network.ts";

const WITHIN = { timeout: 30_000, interval: 50 };
const NONCE_USED = "invalid_exact_evm_nonce_already_used";
const transferEvent = parseAbiItem(
  "event Transfer(address indexed from, address indexed to, uint256 value)",
);

/** A payment as a resource server hands it to a facilitator. Its payee is its own: transfers can be counted. */
interface Payment {
  readonly x402Version: number;
  readonly paymentPayload: PaymentPayload;
  readonly paymentRequirements: PaymentRequirements;
}

let chain: LocalChain;
let client: ChainTestClient;
let facilitator: LocalFacilitator;
let other: LocalFacilitator;

beforeAll(async () => {
  chain = await startChain({ stateDir: null });
  client = chainTestClient(chain.rpcUrl);
  const shared = { rpcUrl: chain.rpcUrl, network: LOCAL_NETWORK };
  facilitator = await startFacilitator({ ...shared, id: "a", privateKey: facilitatorKeys[0] });
  other = await startFacilitator({ ...shared, id: "b", privateKey: facilitatorKeys[1] });
});

afterEach(async () => {
  await control().clear();
  await control().release();
});

afterAll(async () => {
  await facilitator.stop();
  await other.stop();
  await chain.stop();
});

const account = privateKeyToAccount(payers[0].privateKey);

function requirements(): PaymentRequirements {
  return {
    scheme: "exact",
    network: LOCAL_NETWORK,
    amount: "1000",
    asset: USDC_ADDRESS,
    payTo: privateKeyToAddress(generatePrivateKey()),
    maxTimeoutSeconds: 60,
    extra: { name: "USDC", version: "2" },
  };
}

/** Signed by the reference client. */
async function signedPayment(signer = account): Promise<Payment> {
  const payer = new x402Client().register(LOCAL_NETWORK, new ExactEvmScheme(signer));
  const paymentRequirements = requirements();
  const paymentPayload = await payer.createPaymentPayload({
    x402Version: 2,
    resource: { url: "http://127.0.0.1/paid" },
    accepts: [paymentRequirements],
  });
  return { x402Version: 2, paymentPayload, paymentRequirements };
}

async function signedV1Payment(): Promise<Payment> {
  const { amount, ...shared } = requirements();
  const v1 = {
    ...shared,
    network: "base-sepolia",
    maxAmountRequired: amount,
    resource: "http://127.0.0.1/paid",
    description: "",
  };
  // The reference client sends v1 objects through the types of v2.
  const paymentRequirements = v1 as unknown as PaymentRequirements;
  const payer = new ExactEvmSchemeV1(account);
  const v1Payload = await payer.createPaymentPayload(1, paymentRequirements);
  const paymentPayload = v1Payload as unknown as PaymentPayload;
  return { x402Version: 1, paymentPayload, paymentRequirements };
}

async function transfers({ paymentRequirements }: Payment): Promise<number> {
  const logs = await client.getLogs({
    address: USDC_ADDRESS,
    event: transferEvent,
    args: { to: paymentRequirements.payTo as `0x${string}` },
    fromBlock: 0n,
  });
  return logs.length;
}

function call(
  { url }: LocalFacilitator,
  operation: "verify" | "settle",
  payment: unknown,
  signal: AbortSignal = AbortSignal.timeout(60_000),
): Promise<Response> {
  return fetch(`${url}/${operation}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(payment),
    signal,
  });
}

async function settle(at: LocalFacilitator, payment: Payment): Promise<SettleResponse> {
  const response = await call(at, "settle", payment);
  expect(response.status).toBe(200);
  return response.json<SettleResponse>();
}

const control = () => facilitatorControl(facilitator.url);

describe("a local facilitator", () => {
  test("settles in a real transfer what the reference client signed and it verified itself", async () => {
    const { paymentPayload, paymentRequirements, ...rest } = await signedPayment();
    const payment = { paymentPayload, paymentRequirements, ...rest };
    const server = new HTTPFacilitatorClient({ url: facilitator.url });
    expect(await server.verify(paymentPayload, paymentRequirements)).toEqual({
      isValid: true,
      payer: account.address,
    });
    expect(await transfers(payment)).toBe(0);
    const settled = await server.settle(paymentPayload, paymentRequirements);
    expect(settled).toMatchObject({ success: true, network: LOCAL_NETWORK });
    expect(await transfers(payment)).toBe(1);
    const receipt = await client.getTransactionReceipt({
      hash: settled.transaction as `0x${string}`,
    });
    expect(receipt.status).toBe("success");
  });

  test("settles a payment of the first protocol version as well", async () => {
    const payment = await signedV1Payment();
    expect(await settle(facilitator, payment)).toMatchObject({
      success: true,
      network: "base-sepolia",
    });
    expect(await transfers(payment)).toBe(1);
  });

  test("offers its schemes for its own network only, `exact` under both names", async () => {
    const supported = await new HTTPFacilitatorClient({ url: facilitator.url }).getSupported();
    expect(supported.kinds).toEqual([
      { x402Version: 2, scheme: "exact", network: LOCAL_NETWORK },
      {
        x402Version: 2,
        scheme: "upto",
        network: LOCAL_NETWORK,
        extra: { facilitatorAddress: privateKeyToAddress(facilitatorKeys[0]) },
      },
      { x402Version: 1, scheme: "exact", network: "base-sepolia" },
    ]);
  });

  test("refuses what another one has settled, says why, and goes on settling", async () => {
    const payment = await signedPayment();
    await settle(facilitator, payment);
    expect(await settle(other, payment)).toMatchObject({
      success: false,
      errorReason: NONCE_USED,
      transaction: "",
    });
    const verified = await call(other, "verify", payment);
    expect(await verified.json()).toMatchObject({ isValid: false, invalidReason: NONCE_USED });
    expect(await transfers(payment)).toBe(1);
    expect(await settle(other, await signedPayment())).toMatchObject({ success: true });
  });

  test("refuses a payer without money", async () => {
    const pauper = privateKeyToAccount(generatePrivateKey());
    const verified = await call(facilitator, "verify", await signedPayment(pauper));
    expect(await verified.json()).toMatchObject({
      isValid: false,
      invalidReason: "invalid_exact_evm_insufficient_balance",
    });
  });

  test("settles each of many concurrent payments once, however often it is sent", async () => {
    const payments = await Promise.all(Array.from({ length: 10 }, () => signedPayment()));
    const answers = await Promise.all(
      [...payments, ...payments].map((payment, index) =>
        settle(index % 3 === 0 ? other : facilitator, payment),
      ),
    );
    expect(answers.filter(({ success }) => success)).toHaveLength(10);
    expect(await Promise.all(payments.map(transfers))).toEqual(payments.map(() => 1));
  });

  test("answers 400 to what is no payment, and 500 for a network it has no node of", async () => {
    expect((await call(facilitator, "settle", { paymentPayload: {} })).status).toBe(400);
    const elsewhere = await signedPayment();
    const onMainnet = { ...elsewhere.paymentRequirements, network: "eip155:8453" };
    const response = await call(facilitator, "verify", {
      ...elsewhere,
      paymentPayload: { ...elsewhere.paymentPayload, accepted: onMainnet },
      paymentRequirements: onMainnet,
    });
    expect(response.status).toBe(500);
  });
});

describe("a fault before anything is done", () => {
  test.each([
    ["500", 500, "application/json"],
    ["503-html", 503, "text/html"],
    ["429", 429, "application/json"],
    ["bad-json", 200, "application/json"],
  ] as const)("%s moves no money, and is over after one call", async (fault, status, type) => {
    await control().inject({ operation: "settle", fault, times: 1 });
    const payment = await signedPayment();
    const response = await call(facilitator, "settle", payment);
    expect(response.status).toBe(status);
    expect(response.headers.get("content-type")).toContain(type);
    expect(response.headers.get("retry-after")).toBe(fault === "429" ? "1" : null);
    expect(await transfers(payment)).toBe(0);
    expect(await settle(facilitator, payment)).toMatchObject({ success: true });
    expect(await transfers(payment)).toBe(1);
  });

  test("bad-json breaks off in the middle", async () => {
    await control().inject({ operation: "verify", fault: "bad-json" });
    const response = await call(facilitator, "verify", await signedPayment());
    await expect(response.json()).rejects.toThrow(SyntaxError);
  });

  test("refuse drops the connection, for every operation when it is for all", async () => {
    await control().inject({ operation: "all", fault: "refuse" });
    const payment = await signedPayment();
    await expect(call(facilitator, "verify", payment)).rejects.toThrow("fetch failed");
    await expect(call(facilitator, "settle", payment)).rejects.toThrow("fetch failed");
    await expect(fetch(`${facilitator.url}/supported`)).rejects.toThrow("fetch failed");
    expect(await transfers(payment)).toBe(0);
    expect((await fetch(`${facilitator.url}/healthz`)).status).toBe(200);
  });

  test("slow settles after the delay", async () => {
    await control().inject({ operation: "settle", fault: "slow", delayMs: 300 });
    const startedMs = Date.now();
    expect(await settle(facilitator, await signedPayment())).toMatchObject({ success: true });
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(299);
  });

  test("hang does nothing, until the call is released and settles late, its caller long gone", async () => {
    await control().inject({ operation: "settle", fault: "hang" });
    const payment = await signedPayment();
    const patience = new AbortController();
    const answer = call(facilitator, "settle", payment, patience.signal);
    await vi.waitFor(
      async () => expect(await control().stats()).toMatchObject({ held: 1 }),
      WITHIN,
    );
    patience.abort();
    await expect(answer).rejects.toThrow("aborted");
    expect(await transfers(payment)).toBe(0);
    expect(await control().release()).toBe(1);
    await vi.waitFor(async () => expect(await transfers(payment)).toBe(1), WITHIN);
  });

  test("a paused facilitator refuses connections, and remembers everything when it is back", async () => {
    await control().inject({ operation: "verify", fault: "429", times: 1 });
    const payment = await signedPayment();
    await facilitator.pause();
    // The client may still have a connection from before, which does not tell it much.
    await vi.waitFor(
      () =>
        expect(call(facilitator, "settle", payment)).rejects.toMatchObject({
          cause: { code: "ECONNREFUSED" },
        }),
      WITHIN,
    );
    await facilitator.resume();
    expect((await call(facilitator, "verify", payment)).status).toBe(429);
    expect(await settle(facilitator, payment)).toMatchObject({ success: true });
  });
});

describe("a fault after the money has moved", () => {
  test("settle-then-lost answers 502, and nobody will settle it again", async () => {
    await control().inject({ operation: "settle", fault: "settle-then-lost", times: 1 });
    const payment = await signedPayment();
    expect((await call(facilitator, "settle", payment)).status).toBe(502);
    expect(await transfers(payment)).toBe(1);
    expect(await settle(facilitator, payment)).toMatchObject({ errorReason: NONCE_USED });
    expect(await settle(other, payment)).toMatchObject({ errorReason: NONCE_USED });
    expect(await transfers(payment)).toBe(1);
  });

  test("settle-then-hang keeps its answer back until it is released", async () => {
    await control().inject({ operation: "settle", fault: "settle-then-hang" });
    const payment = await signedPayment();
    const answer = settle(facilitator, payment);
    await vi.waitFor(
      async () => expect(await control().stats()).toMatchObject({ held: 1 }),
      WITHIN,
    );
    expect(await transfers(payment)).toBe(1);
    await control().release();
    expect(await answer).toMatchObject({ success: true });
  });

  test("pending answers with the hash before there is a block, and is reconciled later", async () => {
    const payment = await signedPayment();
    await client.setAutomine(false);
    await control().inject({ operation: "settle", fault: "pending", times: 2 });
    const pending = await settle(facilitator, payment);
    expect(pending).toMatchObject({ success: false, errorReason: "settlement_pending" });
    expect(pending.transaction).toMatch(/^0x[0-9a-f]{64}$/);
    expect(await transfers(payment)).toBe(0);
    const again = await settle(facilitator, payment);
    expect(again.transaction).toBe(pending.transaction);
    await client.setAutomine(true);
    const settled = await settle(facilitator, payment);
    expect(settled).toMatchObject({ success: true, transaction: pending.transaction });
    expect(await transfers(payment)).toBe(1);
  });
});

describe("the switchboard", () => {
  test("counts what was asked, done and broadcast, and shows no signature", async () => {
    const before = await control().stats();
    const payment = await signedPayment();
    await control().inject({ operation: "settle", fault: "500", times: 1 });
    await call(facilitator, "settle", payment);
    await settle(facilitator, payment);
    const after = await control().stats();
    expect(after.calls.settle.received - before.calls.settle.received).toBe(2);
    expect(after.calls.settle.performed - before.calls.settle.performed).toBe(1);
    expect(after.transactionsSent - before.transactionsSent).toBe(1);
    expect(after.recentCalls.slice(-2)).toMatchObject([
      { operation: "settle", fault: "500", status: 500, payment: { payer: account.address } },
      { operation: "settle", fault: "ok", status: 200, payment: { amountAtomic: "1000" } },
    ]);
    const { signature } = payment.paymentPayload.payload;
    expect(JSON.stringify(after)).not.toContain(signature);
  });

  test("refuses an order it does not understand, and says what is wrong with it", async () => {
    await expect(control().inject({ operation: "verify", fault: "pending" })).rejects.toThrow(
      "is a fault of settle only",
    );
  });

  test("does not keep a facilitator from stopping while calls are held", async () => {
    const brief = await startFacilitator({
      id: "brief",
      rpcUrl: chain.rpcUrl,
      network: LOCAL_NETWORK,
      privateKey: facilitatorKeys[2],
    });
    const switches = facilitatorControl(brief.url);
    await switches.inject({ operation: "verify", fault: "hang" });
    const answer = call(brief, "verify", await signedPayment()).catch((error: unknown) => error);
    await vi.waitFor(async () => expect(await switches.stats()).toMatchObject({ held: 1 }), WITHIN);
    await brief.stop();
    expect(await answer).toBeInstanceOf(TypeError);
  });
});
