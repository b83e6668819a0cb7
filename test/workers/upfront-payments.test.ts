import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { JournalRows } from "../../durable-objects/settlement-ledger/store/journal-rows.ts";
import type { FulfilmentGrant } from "../../src/contracts/ledger.ts";
import { FULFILMENT_ATTEMPTS_MAX, type ShownState } from "../../src/settlement/fulfilment.ts";
import { ACCOUNTS } from "../../src/settlement/journal.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { LEDGER_ASSET, LEDGER_NETWORK, LedgerCalls } from "../support/ledger-calls.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Settles a payment upfront, and takes the first run of its handler. */
async function firstRun(calls: LedgerCalls, nonce = "01"): Promise<FulfilmentGrant> {
  const { fulfilment } = await calls.settled(nonce, null);
  if (fulfilment === null) throw new Error("who settles a payment upfront is given its run");
  return fulfilment;
}

async function nextRun(calls: LedgerCalls, nonce = "01"): Promise<FulfilmentGrant> {
  const reply = await calls.claim(nonce);
  if (reply.result !== "fulfil") throw new Error(`expected a run, got ${reply.result}`);
  return reply.grant;
}

function balanceOf(calls: LedgerCalls) {
  return calls.ledger.readBalance({ network: LEDGER_NETWORK, asset: LEDGER_ASSET });
}

async function stateOf(calls: LedgerCalls, paymentId: string) {
  return (await calls.ledger.readPaymentStatus(paymentId))?.state;
}

describe("a run of the handler", () => {
  test("is given to one send at a time; the others wait, and then have nothing to get", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    expect(grant.attempt).toBe(1);
    const waiting = Array.from({ length: 5 }, () => calls.claim("01"));
    expect(await calls.ledger.recordFulfilment({ grant, delivered: true })).toEqual({
      result: "fulfilled",
    });
    for (const reply of await Promise.all(waiting)) expect(reply.result).toBe("response_expired");
    expect(await stateOf(calls, grant.paymentId)).toBe("fulfilled");
  });

  test("that failed is followed by the next one at a resend", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    const waiting = calls.claim("01");
    expect(await calls.ledger.recordFulfilment({ grant, delivered: false })).toEqual({
      result: "pending",
    });
    expect(await waiting).toMatchObject({ result: "fulfil", grant: { attempt: 2 } });
    expect(await stateOf(calls, grant.paymentId)).toBe("settled_unfulfilled");
  });

  test("whose edge died is followed by the next one after its lease, also after a crash", async () => {
    const calls = new LedgerCalls();
    vi.useFakeTimers({ toFake: ["Date"] });
    await firstRun(calls);
    vi.setSystemTime(Date.now() + 60_001);
    expect((await nextRun(calls)).attempt).toBe(2);
    await abortAllDurableObjects();
    expect((await nextRun(calls)).attempt).toBe(3);
  });

  test("needs a secret of the first request, because an authorization is public once settled", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    await calls.ledger.recordFulfilment({ grant, delivered: false });
    const proofs = { quoteHash: null, identifierHash: null, idempotencyKeyHash: null };
    expect((await calls.claim("01", { proofs })).result).toBe("proof_required");
  });

  test("goes to a payer who signs again for the same request, under the first payment", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    await calls.ledger.recordFulfilment({ grant, delivered: false });
    const again = { requestFingerprint: "request 01" };
    expect(await calls.claim("02", again)).toMatchObject({
      result: "fulfil",
      grant: { paymentId: grant.paymentId, attempt: 2 },
      supersededBy: grant.paymentId,
    });
  });

  test("is over for good when it is fulfilled: signing again buys a second answer", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    await calls.ledger.recordFulfilment({ grant, delivered: true });
    const again = { requestFingerprint: "request 01" };
    expect((await calls.claim("02", again)).result).toBe("granted");
  });
});

describe("an upfront payment that is not delivered", () => {
  test("is a credit after the last run, and the books say so", async () => {
    const calls = new LedgerCalls();
    let grant = await firstRun(calls);
    for (let run = 1; run < FULFILMENT_ATTEMPTS_MAX; run += 1) {
      await calls.ledger.recordFulfilment({ grant, delivered: false });
      grant = await nextRun(calls);
    }
    expect(grant.attempt).toBe(FULFILMENT_ATTEMPTS_MAX);
    expect(await calls.ledger.recordFulfilment({ grant, delivered: false })).toEqual({
      result: "undelivered",
    });
    expect((await calls.claim("01")).result).toBe("undelivered");
    expect(await balanceOf(calls)).toMatchObject({
      settledAtomic: "10000",
      feesAtomic: "0",
      payableAtomic: "0",
      creditsAtomic: "10000",
    });
    await runInDurableObject(calls.stub, (_ledger, { storage }) => {
      const journal = new JournalRows(storage.sql);
      const sums = journal.recompute(LEDGER_ASSET);
      for (const account of ACCOUNTS) {
        expect(journal.balance(LEDGER_ASSET, account)).toBe(sums.get(account));
      }
      expect([...storage.sql.exec("SELECT kind FROM alerts")]).toEqual([
        { kind: "paid_undelivered" },
      ]);
    });
    expect(await calls.ledger.readReceipt(grant.paymentId)).toMatchObject({
      state: "paid_undelivered",
    });
  });

  test("is given up when the last run's edge died and nobody may run it again", async () => {
    const calls = new LedgerCalls();
    vi.useFakeTimers({ toFake: ["Date"] });
    let grant = await firstRun(calls);
    while (grant.attempt < FULFILMENT_ATTEMPTS_MAX) {
      vi.setSystemTime(Date.now() + 60_001);
      grant = await nextRun(calls);
    }
    vi.setSystemTime(Date.now() + 60_001);
    expect((await calls.claim("01")).result).toBe("undelivered");
    expect(await stateOf(calls, grant.paymentId)).toBe("paid_undelivered");
    // Its answer comes too late: it may not leave, because it was promised back.
    expect(await calls.ledger.recordFulfilment({ grant, delivered: true })).toEqual({
      result: "undelivered",
    });
  });

  test("is given up by the alarm when its payer does not come back in time", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    await calls.ledger.recordFulfilment({ grant, delivered: false });
    vi.spyOn(globalThis, "fetch").mockRejectedValue(new Error("connection refused"));
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + PLANS.free.limits.retentionMs);
    await runDurableObjectAlarm(calls.stub);
    expect(await stateOf(calls, grant.paymentId)).toBe("paid_undelivered");
    expect((await balanceOf(calls)).creditsAtomic).toBe("10000");
  });

  test("can't be paid out while it is owed, though its transfer is confirmed", async () => {
    const calls = new LedgerCalls();
    const grant = await firstRun(calls);
    await runInDurableObject(calls.stub, (_ledger, { storage }) => {
      storage.sql.exec("UPDATE payments SET state = 'confirmed'");
    });
    expect(await balanceOf(calls)).toMatchObject({ payableAtomic: "9000", availableAtomic: "0" });
    await calls.ledger.recordFulfilment({ grant, delivered: true });
    expect(await balanceOf(calls)).toMatchObject({ availableAtomic: "9000" });
  });
});

test("an upfront payment whose settlement is unknown runs nothing, and fails like any other", async () => {
  const calls = new LedgerCalls();
  const paymentId = await calls.staged("01", null);
  await calls.record(paymentId, { class: "ambiguous", reason: "timeout", transaction: null });
  expect((await calls.claim("01")).result).toBe("unknown");
  const refused = await calls.staged("02", null);
  const outcome = { class: "refused", reason: "insufficient_funds" } as const;
  expect(await calls.record(refused, outcome)).toMatchObject({ result: "failed" });
  expect((await calls.claim("02")).result).toBe("failed");
});

test("upfront payments are listed by what became of them", async () => {
  const calls = new LedgerCalls();
  const pending = await firstRun(calls, "01");
  const fulfilled = await firstRun(calls, "02");
  await calls.ledger.recordFulfilment({ grant: fulfilled, delivered: true });
  let undelivered = await firstRun(calls, "03");
  for (let run = 1; run < FULFILMENT_ATTEMPTS_MAX; run += 1) {
    await calls.ledger.recordFulfilment({ grant: undelivered, delivered: false });
    undelivered = await nextRun(calls, "03");
  }
  await calls.ledger.recordFulfilment({ grant: undelivered, delivered: false });
  await calls.staged("04", null);
  const listed = async (state: ShownState) => {
    const query = { state, claimedUntilMs: null, cursor: null, limit: 10 };
    const { payments } = await calls.ledger.listPayments(query);
    return payments.map(({ paymentId }) => paymentId);
  };
  expect(await listed("settled_unfulfilled")).toEqual([pending.paymentId]);
  expect(await listed("fulfilled")).toEqual([fulfilled.paymentId]);
  expect(await listed("paid_undelivered")).toEqual([undelivered.paymentId]);
  expect(await listed("settled")).toHaveLength(3);
});
