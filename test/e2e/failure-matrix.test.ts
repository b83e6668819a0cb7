/**
 * What can go wrong around a settlement, fault by fault: what the caller sees, how often the handler ran, what an
 * identical resend and a payment that was signed again get, and how often the money moved. `docs/failure-modes.md` is
 * this table for readers.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import type { Fault } from "../../src/local/faults.ts";
import { cancelPayment } from "../support/authorizations.ts";
import { transferCount } from "../support/chain-facts.ts";
import { lockLedgers } from "../support/locked-ledgers.ts";
import { OriginServer, heldAnswer } from "../support/origin-server.ts";
import { Payer, send } from "../support/payer.ts";
import { TestWorld } from "../support/platform.ts";
import {
  IN_PROGRESS,
  NOT_VERIFIED,
  PAID,
  REPLAYED,
  SUPERSEDED,
  SUPERSEDED_UNKNOWN,
  type Seen,
  UNKNOWN,
  expectProof,
  expectSeen,
  seen,
  sendUntilDecided,
  settlementOf,
} from "../support/sends.ts";
import { untilTrusted } from "../support/trusted-facilitator.ts";

/** Far above what a call takes here, also when the machine stalls, and short enough to hang into. */
const TIMEOUTS = ["--verify-timeout", "3000", "--settle-timeout", "4500"];
const WITHIN = { timeout: 30_000, interval: 50 };

/** What an outage does to one request, from the first send to the last word. */
interface Outcome {
  readonly first: Seen;
  /** Of the same header and of a second payment, while the fault lasts. More than one where the alarm may be faster. */
  readonly resent: readonly Seen[];
  readonly signedAgain: readonly Seen[];
  /** Of both, when it is over. */
  readonly resentLater: Seen;
  readonly signedAgainLater: Seen;
  readonly handlerRuns: number;
  readonly transfers: number;
}

const ANOTHER_TAKES_OVER: Outcome = {
  first: PAID,
  resent: [REPLAYED],
  // The first was answered, so this is a second purchase.
  signedAgain: [PAID],
  resentLater: REPLAYED,
  signedAgainLater: REPLAYED,
  handlerRuns: 2,
  transfers: 2,
};
const NOTHING_IS_CHARGED: Outcome = {
  first: NOT_VERIFIED,
  resent: [NOT_VERIFIED],
  signedAgain: [NOT_VERIFIED],
  resentLater: PAID,
  signedAgainLater: PAID,
  handlerRuns: 2,
  transfers: 2,
};
const UNKNOWN_AT_FIRST: Outcome = {
  first: UNKNOWN,
  resent: [UNKNOWN, REPLAYED],
  signedAgain: [SUPERSEDED_UNKNOWN, SUPERSEDED],
  resentLater: REPLAYED,
  signedAgainLater: SUPERSEDED,
  handlerRuns: 1,
  transfers: 1,
};
const UNKNOWN_FOR_LONG: Outcome = {
  ...UNKNOWN_AT_FIRST,
  resent: [UNKNOWN],
  signedAgain: [SUPERSEDED_UNKNOWN],
};

type Outage = readonly [
  title: string,
  operation: "verify" | "settle",
  fault: Fault,
  at: "the first" | "all",
  outcome: Outcome,
];

const OUTAGES: readonly Outage[] = [
  ["verify refused at the first", "verify", "refuse", "the first", ANOTHER_TAKES_OVER],
  ["verify answers 500 at the first", "verify", "500", "the first", ANOTHER_TAKES_OVER],
  ["verify answers 503 at the first", "verify", "503-html", "the first", ANOTHER_TAKES_OVER],
  ["verify hangs at the first", "verify", "hang", "the first", ANOTHER_TAKES_OVER],
  ["verify is unreadable at the first", "verify", "bad-json", "the first", ANOTHER_TAKES_OVER],
  ["settle refused at the first", "settle", "refuse", "the first", UNKNOWN_AT_FIRST],
  ["settle answers 500 at the first", "settle", "500", "the first", UNKNOWN_AT_FIRST],
  ["settle answers 503 at the first", "settle", "503-html", "the first", UNKNOWN_AT_FIRST],
  ["settle hangs at the first", "settle", "hang", "the first", UNKNOWN_AT_FIRST],
  ["settle is unreadable at the first", "settle", "bad-json", "the first", UNKNOWN_AT_FIRST],
  ["settled, then the reply is lost", "settle", "settle-then-lost", "the first", UNKNOWN_AT_FIRST],
  ["settled, then no reply comes", "settle", "settle-then-hang", "the first", UNKNOWN_AT_FIRST],
  // Last of these: after a 429 we ask for less for half a minute.
  ["settle answers 429 at the first", "settle", "429", "the first", ANOTHER_TAKES_OVER],
  ["verify answers 429 at the first", "verify", "429", "the first", ANOTHER_TAKES_OVER],
  ["verify refused at all", "verify", "refuse", "all", NOTHING_IS_CHARGED],
  ["verify answers 500 at all", "verify", "500", "all", NOTHING_IS_CHARGED],
  ["verify answers 503 at all", "verify", "503-html", "all", NOTHING_IS_CHARGED],
  ["verify answers 429 at all", "verify", "429", "all", NOTHING_IS_CHARGED],
  ["verify hangs at all", "verify", "hang", "all", NOTHING_IS_CHARGED],
  ["verify is unreadable at all", "verify", "bad-json", "all", NOTHING_IS_CHARGED],
  ["settle refused at all", "settle", "refuse", "all", UNKNOWN_FOR_LONG],
  ["settle answers 500 at all", "settle", "500", "all", UNKNOWN_FOR_LONG],
  ["settle answers 503 at all", "settle", "503-html", "all", UNKNOWN_FOR_LONG],
  ["settle answers 429 at all", "settle", "429", "all", UNKNOWN_FOR_LONG],
  ["settle hangs at all", "settle", "hang", "all", UNKNOWN_FOR_LONG],
  ["settle is unreadable at all", "settle", "bad-json", "all", UNKNOWN_FOR_LONG],
];

let world: TestWorld;
let origin: OriginServer;
let chain: ChainTestClient;
const payer = new Payer(payers[0].privateKey);
/** What each payment that was made here should have moved, looked at once more when all is over. */
const expectedTransfers: { readonly payTo: string; readonly transfers: number }[] = [];

beforeAll(async () => {
  world = await TestWorld.start(TIMEOUTS);
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(() => origin.reset());

afterEach(async () => {
  for (const { control } of world.facilitators) {
    await control.clear();
    await control.release();
  }
});

/** A new tenant with two routes of the same price, so that no other test's payments are in its account. */
async function seller() {
  const tenant = await world.createTenant();
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: ["/a", "/b"].map((path) => ({ path, origin: origin.url, price: "$0.01" })),
  });
  const base = `${world.url}/t/${tenant.tenantId}`;
  return { payTo: tenant.payTo, url: `${base}/a`, otherUrl: `${base}/b` };
}

/** Each outage of the first facilitator begins when nothing is held against it. */
async function firstIsPreferred(): Promise<void> {
  const { url } = await seller();
  await untilTrusted(world, () => payer.pay(url));
  origin.reset();
}

async function expectTransfers(payTo: string, transfers: number): Promise<void> {
  expect(await transferCount(chain, payTo)).toBe(transfers);
  expectedTransfers.push({ payTo, transfers });
}

describe("with facilitators that work", () => {
  test("broadcast but not mined: settlement_pending", async () => {
    const [first, second] = world.facilitators;
    const { url, payTo } = await seller();
    const othersSettlements = (await second.control.stats()).calls.settle.received;
    const header = await payer.sign(url);
    await first.control.inject({ operation: "settle", fault: "pending" });
    await chain.setAutomine(false);
    try {
      const pending = await send(url, header);
      expectSeen(pending, [UNKNOWN]);
      expect(settlementOf(pending)).toMatchObject({
        success: false,
        errorReason: "settlement_pending",
        transaction: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      });
      expectSeen(await send(url, header), [UNKNOWN]);
      const again = await payer.pay(url);
      expectSeen(again, [SUPERSEDED_UNKNOWN]);
      expect(await transferCount(chain, payTo)).toBe(0);
      await first.control.clear();
      await chain.mine({ blocks: 1 });
      const answer = await sendUntilDecided(url, header);
      expect(seen(answer)).toEqual(REPLAYED);
      expect(settlementOf(answer)?.transaction).toBe(settlementOf(pending)?.transaction);
      const answerAgain = await sendUntilDecided(url, again.header);
      expect(seen(answerAgain)).toEqual(SUPERSEDED);
      expect(answerAgain.body).toBe(answer.body);
    } finally {
      await chain.setAutomine(true);
    }
    expect((await second.control.stats()).calls.settle.received).toBe(othersSettlements);
    expect(origin.calls).toBe(1);
    await expectTransfers(payTo, 1);
  });

  test("one signature sent ten times at once", async () => {
    const { url, payTo } = await seller();
    const header = await payer.sign(url);
    const answers = await Promise.all(Array.from({ length: 10 }, () => send(url, header)));
    expect(answers.filter((answer) => seen(answer).join() === PAID.join())).toHaveLength(1);
    for (const answer of answers) expectSeen(answer, [PAID, REPLAYED, IN_PROGRESS]);
    const resent = await sendUntilDecided(url, header);
    expect(seen(resent)).toEqual(REPLAYED);
    for (const { status, body } of answers) if (status === 200) expect(body).toBe(resent.body);
    expect(origin.calls).toBe(1);
    await expectTransfers(payTo, 1);
  });

  test("a signature made for one route sent to another", async () => {
    const { url, otherUrl, payTo } = await seller();
    const header = await payer.sign(url);
    const astray = await send(otherUrl, header);
    expect(seen(astray)).toEqual([402, "offer_not_matched", "not-charged"]);
    expect(astray.headers.has("PAYMENT-REQUIRED")).toBe(true);
    expect(seen(await send(otherUrl, header))).toEqual(seen(astray));
    expect(origin.calls).toBe(0);
    expect(await transferCount(chain, payTo)).toBe(0);
    // Nothing has happened to it: it still buys what it was signed for, and nothing else afterwards.
    expect(seen(await send(url, header))).toEqual(PAID);
    expect(seen(await send(otherUrl, header))).toEqual([409, "payment_conflict", "not-charged"]);
    expect(seen(await payer.pay(otherUrl))).toEqual(PAID);
    expect(origin.calls).toBe(2);
    await expectTransfers(payTo, 2);
  });

  test("the payer cancels the authorization between verify and settle", async () => {
    const { url, payTo } = await seller();
    const held = heldAnswer();
    origin.answer = held.answer;
    const header = await payer.sign(url);
    const sent = send(url, header);
    await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
    await cancelPayment(chain, header, payers[0].privateKey);
    held.release();
    // "Nonce used" is what facilitators say to this and to a payment that has landed: only the chain can tell.
    expectSeen(await sent, [UNKNOWN]);
    const again = await payer.pay(url);
    expectSeen(again, [SUPERSEDED_UNKNOWN, PAID]);
    const decided = await sendUntilDecided(url, header);
    expect(seen(decided)).toEqual([402, "authorization_canceled", "failed"]);
    expect(settlementOf(decided)).toMatchObject({
      success: false,
      errorReason: "authorization_canceled",
      transaction: "",
    });
    expect(decided.headers.has("PAYMENT-REQUIRED")).toBe(true);
    // Signing again is what the answer asked for, and it is a payment in its own right now.
    expectSeen(await sendUntilDecided(url, again.header), [PAID, REPLAYED]);
    expect(seen(await send(url, header))).toEqual(seen(decided));
    expect(origin.calls).toBe(2);
    await expectTransfers(payTo, 1);
  });

  test("the ledger can't write during a paid call", async () => {
    const { url, payTo } = await seller();
    const held = heldAnswer();
    origin.answer = held.answer;
    const header = await payer.sign(url);
    const sent = send(url, header);
    await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
    const locks = lockLedgers(world.stateDir);
    const before = (await world.facilitators[0].control.stats()).calls.settle.received;
    try {
      held.release();
      // No response is stored, so nothing may be settled.
      expectSeen(await sent, [UNKNOWN]);
    } finally {
      for (const lock of locks) lock.close();
    }
    expect((await world.facilitators[0].control.stats()).calls.settle.received).toBe(before);
    expect(await transferCount(chain, payTo)).toBe(0);
    expect(seen(await sendUntilDecided(url, header))).toEqual(PAID);
    expect(seen(await payer.pay(url))).toEqual(PAID);
    expect(origin.calls).toBe(3);
    await expectTransfers(payTo, 2);
  });
});

describe("with facilitators that fail", () => {
  test("the first facilitator is down", async () => {
    await firstIsPreferred();
    const { url, payTo } = await seller();
    await world.facilitators[0].pause();
    try {
      const answer = await payer.pay(url);
      expect(seen(answer)).toEqual(PAID);
      await expectProof(answer, chain, payTo);
      expect(seen(await send(url, answer.header))).toEqual(REPLAYED);
    } finally {
      await world.facilitators[0].resume();
    }
    expect(seen(await payer.pay(url))).toEqual(PAID);
    expect(origin.calls).toBe(2);
    await expectTransfers(payTo, 2);
  });

  test("the first facilitator goes down between verify and settle", async () => {
    await firstIsPreferred();
    const { url, payTo } = await seller();
    const held = heldAnswer();
    origin.answer = held.answer;
    const header = await payer.sign(url);
    const sent = send(url, header);
    await vi.waitFor(() => expect(origin.calls).toBe(1), WITHIN);
    await world.facilitators[0].pause();
    try {
      held.release();
      // A refused connection looks here like one that broke after the request was read.
      expectSeen(await sent, [UNKNOWN]);
      const again = await payer.pay(url);
      expectSeen(again, [SUPERSEDED_UNKNOWN, SUPERSEDED]);
      const resent = await sendUntilDecided(url, header);
      expect(seen(resent)).toEqual(REPLAYED);
      await expectProof(resent, chain, payTo);
      expect(seen(await sendUntilDecided(url, again.header))).toEqual(SUPERSEDED);
    } finally {
      await world.facilitators[0].resume();
    }
    expect(origin.calls).toBe(1);
    await expectTransfers(payTo, 1);
  });

  test.each(OUTAGES)("%s", async (_title, operation, fault, at, outcome) => {
    if (at === "the first") await firstIsPreferred();
    const { url, payTo } = await seller();
    const faulty = at === "all" ? world.facilitators : [world.facilitators[0]];
    const startedAtMs = Date.now();
    for (const { control } of faulty) await control.inject({ operation, fault });

    const header = await payer.sign(url);
    const first = await send(url, header);
    expectSeen(first, [outcome.first]);
    const again = await payer.pay(url);
    expectSeen(again, outcome.signedAgain);
    expectSeen(await send(url, header), outcome.resent);
    const calls = await Promise.all(faulty.map(({ control }) => control.stats()));
    const met = calls
      .flatMap(({ recentCalls }) => recentCalls)
      .filter((call) => {
        return call.fault === fault && call.receivedAtMs >= startedAtMs;
      });
    expect(met.length).toBeGreaterThan(0);

    // An outage of one is over by itself; one of all ends here, and calls that hang are then worked on late.
    if (at === "the first") await sendUntilDecided(url, header);
    for (const { control } of faulty) {
      await control.clear();
      await control.release();
    }
    const resent = await sendUntilDecided(url, header);
    expect(seen(resent)).toEqual(outcome.resentLater);
    await expectProof(resent, chain, payTo);
    if (first.status === 200) expect(resent.body).toBe(first.body);
    const resentAgain = await sendUntilDecided(url, again.header);
    expect(seen(resentAgain)).toEqual(outcome.signedAgainLater);
    if (outcome.signedAgainLater === SUPERSEDED) {
      const paymentId = resent.headers.get("Payment-Id");
      expect(resentAgain.headers.get("Payment-Superseded-By")).toBe(paymentId);
      expect(resentAgain.body).toBe(resent.body);
    }
    expect(origin.calls).toBe(outcome.handlerRuns);
    await expectTransfers(payTo, outcome.transfers);
  });

  test("all facilitators are down", async () => {
    const { url, payTo } = await seller();
    for (const facilitator of world.facilitators) await facilitator.pause();
    const header = await payer.sign(url);
    try {
      expectSeen(await send(url, header), [NOT_VERIFIED]);
      expectSeen(await payer.pay(url), [NOT_VERIFIED]);
      expect(origin.calls).toBe(0);
    } finally {
      for (const facilitator of world.facilitators) await facilitator.resume();
    }
    const answer = await sendUntilDecided(url, header);
    expect(seen(answer)).toEqual(PAID);
    await expectProof(answer, chain, payTo);
    expect(origin.calls).toBe(1);
    await expectTransfers(payTo, 1);
  });
});

test("long after, nothing has moved that had not", async () => {
  for (const { payTo, transfers } of expectedTransfers) {
    expect(await transferCount(chain, payTo)).toBe(transfers);
  }
});
