/**
 * Payments by Permit2 with the official client, on a chain that has the contracts at their addresses: `exact`, which any
 * facilitator settles, and `upto`, of which the handler says how much is charged.
 */
import { x402Client, x402HTTPClient } from "@x402/core/client";
import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentRequired } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme, createPermit2ApprovalTx } from "@x402/evm/upto/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { createWalletClient, http as rpc } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { USDC_ADDRESS, localChain } from "../../src/local/local-network.ts";
import { tokenBalance, transfersTo } from "../support/chain-facts.ts";
import { type Answer, quoteOf, readAnswer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import { UNKNOWN, seen, sendUntilDecided, settlementOf } from "../support/sends.ts";

const WITHIN = { timeout: 20_000, interval: 200 };
const [buyer, newcomer, gasless, latecomer] = payers;

let world: TestWorld;
let tenant: TestTenant;
let chain: ChainTestClient;

const METERED = `
  const amount = new URL(request.url).searchParams.get("amount");
  const headers = amount === null ? {} : { "Settlement-Overrides": JSON.stringify({ amount }) };
  return new Response("metered", { headers });`;

beforeAll(async () => {
  world = await TestWorld.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  const content = `export default { async fetch(request) { ${METERED} } };`;
  await tenant.api.uploadScript({ main: "m.js", modules: { "m.js": { type: "esm", content } } });
  const by = { script: "m.js" };
  const permit2 = { price: "$0.01", transferMethod: "permit2" } as const;
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [
      { path: "/exact", prices: [permit2], ...by },
      { path: "/before", prices: [permit2], settlement: "before", ...by },
      { path: "/metered", prices: [{ price: "$0.10", scheme: "upto" }], ...by },
    ],
  });
  await approvePermit2(buyer);
  await vi.waitFor(async () => {
    const { status } = await fetch(urlOf("/metered"));
    if (status !== 402) throw new Error("upto is not offered yet");
  }, WITHIN);
});

afterEach(async () => {
  for (const { control } of world.facilitators) await control.clear();
});

afterAll(() => world?.stop());

const urlOf = (path: string) => `${world.url}/t/${tenant.tenantId}${path}`;

function clientOf({ privateKey }: typeof buyer): x402Client {
  const account = privateKeyToAccount(privateKey);
  return x402Client.fromConfig({
    schemes: [
      { network: "eip155:*", client: new ExactEvmScheme(account) },
      { network: "eip155:*", client: new UptoEvmScheme(account) },
    ],
  });
}

async function pay(path: string): Promise<Answer> {
  return await readAnswer(await wrapFetchWithPayment(fetch, clientOf(buyer))(urlOf(path)));
}

async function sign(path: string, payer = buyer, quote?: PaymentRequired): Promise<string> {
  const required = quote ?? (await quoteOf(urlOf(path)));
  const http = new x402HTTPClient(clientOf(payer));
  return encodePaymentSignatureHeader(await http.createPaymentPayload(required));
}

async function approvePermit2({ privateKey }: typeof buyer): Promise<void> {
  const account = privateKeyToAccount(privateKey);
  const transport = rpc(world.chain.rpcUrl);
  const wallet = createWalletClient({ account, chain: localChain, transport });
  const hash = await wallet.sendTransaction(createPermit2ApprovalTx(USDC_ADDRESS));
  await chain.waitForTransactionReceipt({ hash });
}

/** At whichever is asked. */
async function injectAtSettle(fault: "settle-then-lost" | "500"): Promise<void> {
  for (const { control } of world.facilitators)
    await control.inject({ operation: "settle", fault });
}

const income = () => tokenBalance(chain, tenant.payTo);

describe("exact by Permit2", () => {
  test("is 412 with its quotes until the payer approves, and then the same header buys", async () => {
    const header = await sign("/exact", newcomer);
    const refused = await send(urlOf("/exact"), header);
    expect([refused.status, refused.code, refused.paymentStatus]).toEqual([
      412,
      "permit2_allowance_required",
      "not-charged",
    ]);
    expect(refused.headers.get("Content-Type")).toBe("application/problem+json");
    const required = new x402HTTPClient(clientOf(newcomer)).getPaymentRequiredResponse(
      (name) => refused.headers.get(name),
      {},
    );
    expect(required).toMatchObject({
      error: "permit2_allowance_required",
      accepts: [{ scheme: "exact", extra: { assetTransferMethod: "permit2" } }],
    });
    await approvePermit2(newcomer);
    const before = await income();
    const paid = await send(urlOf("/exact"), header);
    expect([paid.status, paid.body]).toEqual([200, "metered"]);
    expect((await income()) - before).toBe(10_000n);
  });

  test("is 412 as well where it would be settled first, and nothing is left open", async () => {
    const header = await sign("/before", latecomer);
    const before = await income();
    const refused = [await send(urlOf("/before"), header), await send(urlOf("/before"), header)];
    for (const answer of refused) {
      expect(seen(answer)).toEqual([412, "permit2_allowance_required", "not-charged"]);
    }
    await approvePermit2(latecomer);
    const paid = await send(urlOf("/before"), header);
    expect([paid.status, paid.body, paid.paymentStatus]).toEqual([200, "metered", "settled"]);
    expect((await income()) - before).toBe(10_000n);
  });

  test("needs no approval of a payer who signs a permit that a facilitator sponsors", async () => {
    const account = privateKeyToAccount(gasless.privateKey);
    const client = x402Client.fromConfig({
      schemes: [
        {
          network: "eip155:*",
          client: new ExactEvmScheme(account, { rpcUrl: world.chain.rpcUrl }),
        },
      ],
    });
    const before = await income();
    const paid = await readAnswer(await wrapFetchWithPayment(fetch, client)(urlOf("/exact")));
    expect([paid.status, paid.body]).toEqual([200, "metered"]);
    expect((await income()) - before).toBe(10_000n);
  });

  test("is settled by another facilitator when the first takes nothing", async () => {
    const [primary] = world.facilitators;
    await primary.control.inject({ operation: "all", fault: "refuse" });
    const before = await income();
    expect((await pay("/exact")).status).toBe(200);
    expect((await income()) - before).toBe(10_000n);
  });

  test("is found on the chain by its call when the facilitator's word is lost", async () => {
    const header = await sign("/exact");
    await injectAtSettle("settle-then-lost");
    expect(seen(await send(urlOf("/exact"), header))).toEqual(UNKNOWN);
    await injectAtSettle("500");
    const paid = await sendUntilDecided(urlOf("/exact"), header);
    expect([paid.status, paid.body]).toEqual([200, "metered"]);
    const last = (await transfersTo(chain, tenant.payTo)).at(-1);
    expect(settlementOf(paid)?.transaction).toBe(last?.transaction);
  });

  test("is no other payment for being sent again", async () => {
    const header = await sign("/exact");
    const before = await income();
    const bought = await Promise.all(
      [1, 2, 3].map(() => sendUntilDecided(urlOf("/exact"), header)),
    );
    expect(bought.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await income()) - before).toBe(10_000n);
  });
});

describe("upto", () => {
  test.each([
    ["the maximum, when the handler says nothing", "", 100_000n],
    ["a part of it in percent", "?amount=12.5%25", 12_500n],
    ["a part of it in dollars", "?amount=$0.05", 50_000n],
    ["a part of it in atomic units", "?amount=1", 1n],
    ["no more than it, whatever the handler says", "?amount=100001", 100_000n],
  ])("charges %s", async (_, query, charged) => {
    const before = await income();
    const paid = await pay(`/metered${query}`);
    expect([paid.status, paid.body]).toEqual([200, "metered"]);
    expect(paid.headers.get("Settlement-Overrides")).toBeNull();
    expect((await income()) - before).toBe(charged);
    expect(settlementOf(paid)?.amount).toBe(String(charged));
    const paymentId = paid.headers.get("Payment-Id") ?? "";
    const receipt = await tenant.api.receipt(paymentId);
    expect([receipt.amountAtomic, receipt.maximumAtomic]).toEqual([String(charged), "100000"]);
  });

  test("moves nothing when the handler charges nothing", async () => {
    const before = await income();
    const free = await pay("/metered?amount=0");
    expect([free.status, free.body, free.paymentStatus]).toEqual([200, "metered", "not-charged"]);
    expect(settlementOf(free)).toMatchObject({ success: true, transaction: "", amount: "0" });
    expect(await income()).toBe(before);
  });

  test("charges nothing when what the handler says can't be read", async () => {
    const before = await income();
    const failed = await pay("/metered?amount=-5");
    expect([failed.status, failed.code]).toEqual([502, "handler_failed"]);
    expect(await income()).toBe(before);
  });

  test("can be settled by the facilitator that was quoted, and by no other", async () => {
    const quoted = await quoteOf(urlOf("/metered"));
    const other = structuredClone(quoted);
    for (const { extra } of other.accepts) extra["facilitatorAddress"] = newcomer.address;
    const refused = await send(urlOf("/metered"), await sign("/metered", buyer, other));
    expect([refused.status, refused.code]).toEqual([402, "offer_not_matched"]);
  });

  test("is found on the chain with the amount that was charged", async () => {
    const header = await sign("/metered?amount=7");
    await injectAtSettle("settle-then-lost");
    const before = await income();
    expect(seen(await send(urlOf("/metered?amount=7"), header))).toEqual(UNKNOWN);
    await injectAtSettle("500");
    const paid = await sendUntilDecided(urlOf("/metered?amount=7"), header);
    expect([paid.status, settlementOf(paid)?.amount]).toEqual([200, "7"]);
    expect((await income()) - before).toBe(7n);
  });
});
