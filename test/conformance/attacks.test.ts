/**
 * Attacks and accidents that are known of x402, one test for each that no other suite has: what is sent, what it gets,
 * how often a handler ran and how often money moved. README.md in this folder lists them all, with where they are from.
 */
import type { PaymentPayload } from "@x402/core/types";
import { appendPaymentIdentifierToExtensions } from "@x402/extensions/payment-identifier";
import { encodeFunctionData, erc20Abi } from "viem";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";
import { tokenBalance, transferCount } from "../support/chain-facts.ts";
import { OriginServer, heldAnswer } from "../support/origin-server.ts";
import { type Answer, Payer, send } from "../support/payer.ts";
import { TestWorld } from "../support/platform.ts";
import {
  IN_PROGRESS,
  PAID,
  REPLAYED,
  SUPERSEDED,
  SUPERSEDED_IN_PROGRESS,
  type Seen,
  seen,
  settlementOf,
} from "../support/sends.ts";
import { sendV1, signV1 } from "../support/v1-payer.ts";

const CONFLICT: Seen = [409, "payment_conflict", "not-charged"];
const PROOF_REQUIRED: Seen = [409, "replay_proof_required", "settled"];
const NOT_MATCHED: Seen = [402, "offer_not_matched", "not-charged"];
const WITHIN = { timeout: 45_000, interval: 50 };

let world: TestWorld;
let origin: OriginServer;
let chain: ChainTestClient;
const [{ privateKey }, , , , lastPayer] = payers;
const payer = new Payer(privateKey);

beforeAll(async () => {
  world = await TestWorld.start(["--verify-timeout", "1200", "--settle-timeout", "2500"]);
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(() => origin.reset());

/** A tenant that sells two things at one price, and one at ten times that. */
async function seller() {
  const tenant = await world.createTenant("pro");
  const routes = [
    { path: "/a", price: "$0.01" },
    { path: "/b", price: "$0.01" },
    { path: "/dear", price: "$0.10" },
  ];
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: routes.map((route) => ({ ...route, origin: origin.url })),
  });
  const base = `${world.url}/t/${tenant.tenantId}`;
  return { payTo: tenant.payTo, a: `${base}/a`, b: `${base}/b`, dear: `${base}/dear` };
}

const count = (answers: readonly Answer[], wanted: Seen) =>
  answers.filter((answer) => seen(answer).join() === wanted.join()).length;

describe("one authorization", () => {
  test("sent to two routes at once buys one of them, and the other is a conflict", async () => {
    const { payTo, a, b } = await seller();
    const header = await signV1(a, privateKey);
    const answers = await Promise.all([a, b, a, b].map((url) => sendV1(url, header)));
    expect(count(answers, PAID)).toBe(1);
    expect(count(answers, CONFLICT)).toBe(2);
    expect(origin.calls).toBe(1);
    expect(await transferCount(chain, payTo)).toBe(1);
  });

  test("sent to two tenants at once buys at the one it was made for, by v1 and by v2", async () => {
    const [mine, other] = [await seller(), await seller()];
    const v1 = await signV1(mine.a, privateKey);
    const v2 = await payer.sign(mine.b);
    const answers = await Promise.all([
      sendV1(mine.a, v1),
      sendV1(other.a, v1),
      send(mine.b, v2),
      send(other.b, v2),
    ]);
    expect(answers.map(seen)).toEqual([
      PAID,
      [402, "recipient_mismatch", "not-charged"],
      PAID,
      NOT_MATCHED,
    ]);
    expect(origin.calls).toBe(2);
    expect(await transferCount(chain, mine.payTo)).toBe(2);
    expect(await transferCount(chain, other.payTo)).toBe(0);
  });

  test("sent as v1 and as v2 at once is one payment", async () => {
    const { payTo, a } = await seller();
    let v1 = "";
    const v2 = await payer.sign(a, ({ payload }) => {
      const payment = { x402Version: 1, scheme: "exact", network: "base-sepolia", payload };
      v1 = btoa(JSON.stringify(payment));
    });
    const answers = await Promise.all([send(a, v2), sendV1(a, v1), send(a, v2), sendV1(a, v1)]);
    expect(count(answers, PAID)).toBe(1);
    // Whichever came first: the other has to wait for it, or to show what that one carried.
    for (const answer of answers) {
      expect([PAID, REPLAYED, IN_PROGRESS, PROOF_REQUIRED]).toContainEqual(seen(answer));
    }
    expect(origin.calls).toBe(1);
    expect(await transferCount(chain, payTo)).toBe(1);
  });
});

test("two payments in one request: v2 counts, and v1 is not charged", async () => {
  const { payTo, a } = await seller();
  const [v1, v2] = [await signV1(a, privateKey), await payer.sign(a)];
  const answer = await send(a, v2, { headers: { "X-PAYMENT": v1 } });
  expect(seen(answer)).toEqual(PAID);
  expect(answer.headers.has("X-PAYMENT-RESPONSE")).toBe(false);
  expect(await transferCount(chain, payTo)).toBe(1);
  // It was not even looked at: it is still good.
  expect(seen(await sendV1(a, v1))).toEqual(PAID);
  expect(await transferCount(chain, payTo)).toBe(2);
});

test("a v1 client that signs again while its first payment is under way is charged once", async () => {
  const { payTo, a } = await seller();
  const held = heldAnswer();
  origin.answer = held.answer;
  const first = sendV1(a, await signV1(a, privateKey));
  await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
  const again = await signV1(a, privateKey);
  expect(seen(await sendV1(a, again))).toEqual(SUPERSEDED_IN_PROGRESS);
  held.release();
  const paid = await first;
  expect(seen(paid)).toEqual(PAID);
  const answer = await sendV1(a, again);
  expect([...seen(answer), answer.body]).toEqual([...SUPERSEDED, paid.body]);
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, payTo)).toBe(1);
});

describe("what is cheap does not pay for what is dear", () => {
  test.each<[string, (payment: PaymentPayload, dear: PaymentPayload) => void, string]>([
    ["as it is", () => {}, "offer_not_matched"],
    [
      "named as the dear one's resource",
      (payment, { resource }) => Object.assign(payment, { resource }),
      "offer_not_matched",
    ],
    [
      "with the dear one's terms and quote",
      (payment, { resource, accepted }) => Object.assign(payment, { resource, accepted }),
      "amount_mismatch",
    ],
    [
      "with the dear one's terms and no quote",
      (payment, { resource, accepted: { extra, ...terms } }) => {
        const { name, version } = extra;
        Object.assign(payment, { resource, accepted: { ...terms, extra: { name, version } } });
      },
      "amount_mismatch",
    ],
  ])("%s", async (_title, change, code) => {
    const { payTo, a, dear } = await seller();
    let forDear: PaymentPayload | null = null;
    await payer.sign(dear, (payment) => {
      forDear = payment;
    });
    const header = await payer.sign(a, (payment) => {
      if (forDear === null) throw new Error("nothing was signed for the dear one");
      change(payment, forDear);
    });
    expect(seen(await send(dear, header))).toEqual([402, code, "not-charged"]);
    expect(origin.calls).toBe(0);
    expect(await transferCount(chain, payTo)).toBe(0);
  });

  test("nor does what was signed for one address pay for another of the same route", async () => {
    const { payTo, a } = await seller();
    const header = await payer.sign(a);
    const other = await send(`${a}?of=another`, header);
    expect(seen(other)).toEqual([402, "resource_mismatch", "not-charged"]);
    expect(origin.calls).toBe(0);
    expect(seen(await send(a, header))).toEqual(PAID);
    expect(await transferCount(chain, payTo)).toBe(1);
  });

  test("nor by v1, which names no resource at all", async () => {
    const { payTo, a, dear } = await seller();
    const header = await signV1(a, privateKey);
    expect(seen(await sendV1(dear, header))).toEqual([402, "amount_mismatch", "not-charged"]);
    expect(origin.calls).toBe(0);
    expect(await transferCount(chain, payTo)).toBe(0);
  });
});

test("one payment-identifier at two tenants is two: neither gives away the other's answer", async () => {
  const sellers = [await seller(), await seller()];
  const withId = ({ extensions }: PaymentPayload) => {
    appendPaymentIdentifierToExtensions(extensions ?? {}, "pay_0123456789abcdef");
  };
  const answers: Answer[] = [];
  for (const { a } of sellers) answers.push(await send(a, await payer.sign(a, withId)));
  expect(answers.map(seen)).toEqual([PAID, PAID]);
  expect(answers[0]?.body).not.toBe(answers[1]?.body);
  expect(origin.calls).toBe(2);
  for (const { payTo } of sellers) expect(await transferCount(chain, payTo)).toBe(1);
});

test("a payer who spends the money between verify and settle gets nothing, and a new quote", async () => {
  const { payTo, a } = await seller();
  const held = heldAnswer();
  origin.answer = held.answer;
  const header = await new Payer(lastPayer.privateKey).sign(a);
  const sent = send(a, header);
  await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
  await spendAll(lastPayer.address, payers[1].address);
  held.release();
  const answer = await sent;
  expect(seen(answer)).toEqual([402, "insufficient_funds", "failed"]);
  expect(answer.headers.has("PAYMENT-REQUIRED")).toBe(true);
  expect(settlementOf(answer)).toMatchObject({
    success: false,
    errorReason: "insufficient_funds",
    transaction: "",
  });
  expect(answer.body).not.toContain("held");
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, payTo)).toBe(0);
});

async function spendAll(from: `0x${string}`, to: `0x${string}`): Promise<void> {
  const amount = await tokenBalance(chain, from);
  const data = encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [to, amount] });
  const hash = await chain.sendTransaction({ account: from, to: USDC_ADDRESS, data });
  await chain.waitForTransactionReceipt({ hash });
}
