/**
 * Several ways to pay for one route, each with the official client: two tokens on the local chain, and Solana, of which
 * there is no chain here: its facilitators are scripted, and agree with what the client signs.
 */
import { x402Client, x402HTTPClient } from "@x402/core/client";
import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentRequired, PaymentRequirements } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { erc20Abi, getAddress, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { payers, setUpAccount } from "../../src/local/accounts.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import { LOCAL_NETWORK, USDC_ADDRESS } from "../../src/local/local-network.ts";
import { testUsdcCode } from "../../src/local/token/contracts.ts";
import { type Answer, Payer, quoteOf, readAnswer, send } from "../support/payer.ts";
import { OPERATOR_TOKEN, type TestTenant, TestWorld } from "../support/platform.ts";
import { sendUntilDecided, settlementOf } from "../support/sends.ts";
import { SvmFacilitator } from "../support/svm-facilitator.ts";
import { SOLANA_DEVNET, SOLANA_USDC, SvmPayer, randomSolanaAddress } from "../support/svm-payer.ts";

const OTHER_TOKEN = "0x07e0000000000000000000000000000000000d01";
const PAY_TO_ON_SOLANA = randomSolanaAddress();
const WITHIN = { timeout: 60_000, interval: 200 };
const [buyer] = payers;

let world: TestWorld;
let tenant: TestTenant;
let solana: readonly [SvmFacilitator, SvmFacilitator];
let svmPayer: SvmPayer;
let url: string;

beforeAll(async () => {
  solana = [await SvmFacilitator.start(), await SvmFacilitator.start()];
  svmPayer = await SvmPayer.create();
  const flags = solana.flatMap((facilitator) => ["--facilitator", facilitator.url]);
  const token = { name: "USDC", version: "2", decimals: 6 };
  world = await TestWorld.start(flags, (rpcUrl) => ({
    NETWORKS: [
      {
        caip2: LOCAL_NETWORK,
        rpcUrl,
        confirmations: 0,
        furtherAssets: [{ address: OTHER_TOKEN, ...token }],
      },
      { caip2: SOLANA_DEVNET },
    ],
  }));
  await issueOtherToken();
  tenant = await world.createTenant();
  await world.sellCities(tenant);
  await tenant.api.deploy(manifest());
  url = `${world.url}/t/${tenant.tenantId}/cities`;
  await vi.waitFor(untilSolanaIsOffered, WITHIN);
});

afterAll(async () => {
  await world?.stop();
  for (const facilitator of solana ?? []) await facilitator.stop();
  await svmPayer?.stop();
});

function manifest() {
  return {
    tenant: tenant.tenantId,
    payTo: { solana: PAY_TO_ON_SOLANA },
    routes: [
      {
        path: "/cities",
        dataset: "cities",
        prices: [
          { price: "$0.01" },
          { price: "$0.02", asset: OTHER_TOKEN },
          { price: "$0.03", network: SOLANA_DEVNET },
        ],
      },
      {
        path: "/bound",
        dataset: "cities",
        prices: [{ price: "$0.03", network: SOLANA_DEVNET }],
      },
    ],
  };
}

/** Its facilitators are known once they were asked what they serve, soon after the platform's first call. */
async function untilSolanaIsOffered(): Promise<void> {
  const { accepts } = await quoteOf(url);
  if (accepts.length < 3) throw new Error("Solana is not offered yet");
}

async function issueOtherToken(): Promise<void> {
  const client = chainTestClient(world.chain.rpcUrl);
  await client.setCode({ address: OTHER_TOKEN, bytecode: testUsdcCode });
  const hash = await client.writeContract({
    account: setUpAccount.address,
    address: OTHER_TOKEN,
    abi: parseAbi(["function mint(address to, uint256 value)"]),
    functionName: "mint",
    args: [buyer.address, 1_000_000n],
  });
  await client.waitForTransactionReceipt({ hash });
}

function balanceOf(token: string, account: string): Promise<bigint> {
  return chainTestClient(world.chain.rpcUrl).readContract({
    address: getAddress(token),
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [getAddress(account)],
  });
}

/** The official client, which takes the options that it can pay with and this one says are wanted. */
function clientFor(isWanted: (option: PaymentRequirements) => boolean): x402Client {
  return x402Client.fromConfig({
    schemes: [
      { network: "eip155:*", client: new ExactEvmScheme(privateKeyToAccount(buyer.privateKey)) },
      { network: "solana:*", client: svmPayer.scheme },
    ],
    policies: [(_version, options) => options.filter(isWanted)],
    spendControls: { allowedAssets: true },
  });
}

async function payWith(isWanted: (option: PaymentRequirements) => boolean): Promise<Answer> {
  return await readAnswer(await wrapFetchWithPayment(fetch, clientFor(isWanted))(url));
}

const isSolana = ({ network }: Pick<PaymentRequirements, "network">) => network === SOLANA_DEVNET;

async function signSolana(required: PaymentRequired): Promise<string> {
  const http = new x402HTTPClient(clientFor(isSolana));
  return encodePaymentSignatureHeader(await http.createPaymentPayload(required));
}

/** A quote that is bound to this facilitator, as soon as one is handed out. */
function quoteNaming({ feePayer }: SvmFacilitator): Promise<PaymentRequired> {
  return vi.waitFor(async () => {
    const quote = await quoteOf(url);
    expect(quote.accepts.find(isSolana)?.extra?.["feePayer"]).toBe(feePayer);
    return quote;
  }, WITHIN);
}

async function force(facilitatorId: string, state: "open" | "auto"): Promise<void> {
  const response = await fetch(`${world.url}/admin/facilitators/${facilitatorId}/${state}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${OPERATOR_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify({ reason: "a test" }),
  });
  expect(response.status).toBe(200);
}

describe("a 402 with several options", () => {
  test("has them in the tenant's order, each with a quote of its own", async () => {
    const { accepts } = await quoteOf(url);
    expect(
      accepts.map(({ network, asset, amount, payTo }) => [network, asset, amount, payTo]),
    ).toEqual([
      [LOCAL_NETWORK, USDC_ADDRESS.toLowerCase(), "10000", tenant.payTo],
      [LOCAL_NETWORK, OTHER_TOKEN, "20000", tenant.payTo],
      [SOLANA_DEVNET, SOLANA_USDC, "30000", PAY_TO_ON_SOLANA],
    ]);
    expect(new Set(accepts.map(({ extra }) => extra?.["quote"])).size).toBe(3);
  });

  test("offers v1 clients what v1 can say: one token per network, and nothing that is bound", async () => {
    const { accepts } = await (await fetch(url)).json<{ accepts: { asset: string }[] }>();
    expect(accepts.map(({ asset }) => asset)).toEqual([USDC_ADDRESS.toLowerCase()]);
  });

  test("a client that is left to its own rules pays with the first token that it knows", async () => {
    const before = await balanceOf(USDC_ADDRESS, tenant.payTo);
    expect((await new Payer(buyer.privateKey).pay(url)).status).toBe(200);
    expect((await balanceOf(USDC_ADDRESS, tenant.payTo)) - before).toBe(10_000n);
  });

  test("a client that prefers another token pays its price in it, and it is paid out on its own", async () => {
    const answer = await payWith(({ asset }) => asset === OTHER_TOKEN);
    expect([answer.status, settlementOf(answer)?.amount]).toEqual([200, "20000"]);
    expect(await balanceOf(OTHER_TOKEN, tenant.payTo)).toBe(20_000n);
    await vi.waitFor(async () => {
      expect(await getJson(`/v1/balance?asset=${OTHER_TOKEN}`)).toMatchObject({
        asset: OTHER_TOKEN,
        settledAtomic: "20000",
        availableAtomic: "19000",
      });
    }, WITHIN);
    const paidOut = await post("/v1/payouts", { asset: OTHER_TOKEN });
    expect(paidOut.status).toBe(201);
    await vi.waitFor(
      async () => expect(await balanceOf(OTHER_TOKEN, tenant.wallet)).toBe(19_000n),
      WITHIN,
    );
  });

  test("a quote is good for its own option only", async () => {
    const { accepts, ...rest } = await quoteOf(url);
    const [first, second] = accepts;
    if (first === undefined || second === undefined) throw new Error("two options are sold");
    const exchanged = { ...first, extra: { ...first.extra, quote: second.extra?.["quote"] } };
    const http = new x402HTTPClient(clientFor(() => true));
    const payload = await http.createPaymentPayload({ ...rest, accepts: [exchanged] });
    const answer = await send(url, encodePaymentSignatureHeader(payload));
    expect([answer.status, answer.code]).toEqual([402, "offer_not_matched"]);
  });
});

describe("an option that is bound to its facilitator", () => {
  test("is settled by the one that was quoted, to the tenant's own address, without a fee", async () => {
    const answer = await payWith(isSolana);
    expect(answer.status).toBe(200);
    const settlement = settlementOf(answer);
    expect(settlement).toMatchObject({ success: true, payer: svmPayer.address, amount: "30000" });
    expect([solana[0].calls, solana[1].calls]).toEqual([["/verify", "/settle"], []]);
    const paymentId = answer.headers.get("Payment-Id") ?? "";
    expect(await getJson(`/v1/receipts/${paymentId}`)).toMatchObject({
      network: SOLANA_DEVNET,
      payTo: PAY_TO_ON_SOLANA,
      payer: svmPayer.address,
      feeAtomic: "0",
      transaction: settlement?.transaction,
    });
    const payout = await post("/v1/payouts", { network: SOLANA_DEVNET });
    expect(payout.status).toBe(409);
  });

  test("needs the quote that says to whom", async () => {
    const { accepts, ...rest } = await quoteOf(url);
    const option = accepts.find(isSolana);
    if (option === undefined) throw new Error("Solana is offered");
    const { quote: _, ...extra } = option.extra ?? {};
    const answer = await send(url, await signSolana({ ...rest, accepts: [{ ...option, extra }] }));
    expect([answer.status, answer.code]).toEqual([402, "quote_invalid"]);
  });

  test("stays with a facilitator that is ill, and the next quote goes elsewhere", async () => {
    const header = await signSolana(await quoteNaming(solana[0]));
    const before = solana.map(({ calls }) => calls.length);
    await force("facilitator-3", "open");
    await quoteNaming(solana[1]);
    const stuck = await send(url, header);
    expect([stuck.status, stuck.code]).toEqual([503, "facilitator_unavailable"]);
    expect(solana.map(({ calls }) => calls.length)).toEqual(before);

    expect((await payWith(isSolana)).status).toBe(200);
    expect(solana[1].calls).toEqual(["/verify", "/settle"]);

    await force("facilitator-3", "auto");
    await vi.waitFor(async () => expect((await send(url, header)).status).toBe(200), WITHIN);
    await quoteNaming(solana[0]);
  });

  test("is asked about again where it was sent, when its answer is lost", async () => {
    // While it is half-open, only some of the quotes name it.
    const header = await signSolana(await quoteNaming(solana[0]));
    const elsewhere = solana[1].calls.length;
    solana[0].isForgetful = true;
    const lost = await send(url, header);
    expect([lost.status, lost.code]).toEqual([503, "settlement_unknown"]);
    solana[0].isForgetful = false;
    const answer = await sendUntilDecided(url, header);
    expect(answer.status).toBe(200);
    expect(solana[1].calls).toHaveLength(elsewhere);
  });
});

describe("with nobody left who could settle it", () => {
  test("a bound option is not offered, and a route without another one is unavailable", async () => {
    await force("facilitator-3", "open");
    await force("facilitator-4", "open");
    await vi.waitFor(async () => expect((await quoteOf(url)).accepts).toHaveLength(2), WITHIN);
    const answer = await readAnswer(await fetch(`${world.url}/t/${tenant.tenantId}/bound`));
    expect([answer.status, answer.code]).toEqual([503, "facilitator_unavailable"]);
    expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
  });
});

async function getJson(path: string): Promise<unknown> {
  const response = await fetch(`${world.url}${path}`, {
    headers: { Authorization: `Bearer ${tenant.apiKey}` },
  });
  return await response.json();
}

function post(path: string, body: unknown): Promise<Response> {
  return fetch(`${world.url}${path}`, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${tenant.apiKey}`,
      "Content-Type": "application/json",
      "Idempotency-Key": crypto.randomUUID(),
    },
    body: JSON.stringify(body),
  });
}
