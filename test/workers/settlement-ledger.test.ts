import {
  abortAllDurableObjects,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { JournalRows } from "../../durable-objects/settlement-ledger/store/journal-rows.ts";
import type { StoredResponse } from "../../src/contracts/ledger.ts";
import { ACCOUNTS } from "../../src/settlement/journal.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import {
  ATTEMPT_LEASE_MS,
  LEDGER_ASSET,
  LEDGER_NETWORK,
  LedgerCalls,
} from "../support/ledger-calls.ts";

const RESPONSE: StoredResponse = {
  status: 200,
  headers: [{ name: "content-type", value: "application/json" }],
  body: new TextEncoder().encode('{"rows":[1,2,3]}'),
};
const AMBIGUOUS: SettleOutcome = { class: "ambiguous", reason: "timeout", transaction: null };

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("a claim", () => {
  test("is granted once; concurrent sends wait and get the same stored bytes", async () => {
    const calls = new LedgerCalls();
    const grant = await calls.granted("01");
    const waiting = Array.from({ length: 20 }, () => calls.claim("01"));
    await calls.stage("01", grant, RESPONSE);
    await calls.record(grant.paymentId, { class: "settled", transaction: "0xaa" });
    for (const reply of await Promise.all(waiting)) {
      expect(reply).toMatchObject({
        result: "replay",
        paymentId: grant.paymentId,
        response: { status: 200, body: RESPONSE.body },
        settlement: { transaction: "0xaa" },
      });
    }
  });

  test("that was released can be claimed again, and whoever waited gets it", async () => {
    const calls = new LedgerCalls();
    const grant = await calls.granted("01");
    const waiting = calls.claim("01");
    await calls.release("01", grant, null);
    expect((await waiting).result).toBe("granted");
  });

  test("has a state that its payer can ask for, until it is given back or its lease is over", async () => {
    const calls = new LedgerCalls();
    const stateOf = async ({ paymentId }: { paymentId: string }) =>
      (await calls.ledger.readPaymentStatus(paymentId))?.state ?? null;
    vi.useFakeTimers({ toFake: ["Date"] });
    const grants = [await calls.granted("01"), await calls.granted("02")] as const;
    expect(await calls.ledger.readPaymentStatus(grants[0].paymentId)).toEqual({
      paymentId: grants[0].paymentId,
      state: "claimed",
      transaction: null,
      failure: null,
      retryAfterMs: 1_000,
    });
    await calls.release("01", grants[0], null);
    expect(await Promise.all(grants.map(stateOf))).toEqual([null, "claimed"]);
    vi.setSystemTime(grants[1].leaseExpiresAtMs);
    expect(await stateOf(grants[1])).toBeNull();
    await calls.stage("02", grants[1], RESPONSE);
    expect(await stateOf(grants[1])).toBe("settling");
  });

  test("whose lease has ended is taken over with its payment id, and the late holder is fenced", async () => {
    const calls = new LedgerCalls();
    vi.useFakeTimers({ toFake: ["Date"] });
    const late = await calls.granted("01");
    vi.setSystemTime(late.leaseExpiresAtMs + 1);
    const next = await calls.granted("01");
    expect(next.paymentId).toBe(late.paymentId);
    expect(await calls.stage("01", late, RESPONSE)).toEqual({ result: "fenced" });
    expect((await calls.stage("01", next, RESPONSE)).result).toBe("staged");
  });

  test("does not survive a crash of the object, and then nothing can be staged on it", async () => {
    const calls = new LedgerCalls();
    const grant = await calls.granted("01");
    await abortAllDurableObjects();
    expect(await calls.stage("01", grant, RESPONSE)).toEqual({ result: "fenced" });
    expect((await calls.claim("01")).result).toBe("granted");
  });

  test("outlives the 10 seconds after which the runtime lets go of an object without requests", async () => {
    const calls = new LedgerCalls();
    const grant = await calls.granted("01");
    await scheduler.wait(11_500);
    expect((await calls.stage("01", grant, RESPONSE)).result).toBe("staged");
  }, 60_000);

  test("is refused for its reason only when the payment is new", async () => {
    const calls = new LedgerCalls();
    const { paymentId } = await calls.settled("01", RESPONSE);
    const refusal = "quote_expired";
    expect(await calls.claim("01", { refusal })).toMatchObject({ result: "replay", paymentId });
    expect(await calls.claim("02", { refusal })).toEqual({ result: "refused", reason: refusal });
  });

  test("of a known payment with another request or another signature is a conflict", async () => {
    const calls = new LedgerCalls();
    await calls.settled("01", RESPONSE);
    for (const other of [{ requestFingerprint: "other" }, { payloadDigest: "other" }]) {
      expect(await calls.claim("01", other)).toEqual({ result: "conflict" });
    }
  });

  test("outside the grace window needs one of the first request's secrets", async () => {
    const calls = new LedgerCalls();
    await calls.settled("01", RESPONSE);
    const proofs = { quoteHash: null, identifierHash: null, idempotencyKeyHash: null };
    expect((await calls.claim("01", { proofs })).result).toBe("proof_required");
    expect(
      (await calls.claim("01", { proofs: { ...proofs, quoteHash: "another quote" } })).result,
    ).toBe("proof_required");
  });
});

describe("a payer who signs again for the same request", () => {
  const again = { requestFingerprint: "request 01" };

  test("gets the first payment's answer while that was not written out, and is not charged", async () => {
    const calls = new LedgerCalls();
    const { paymentId } = await calls.settled("01", RESPONSE);
    expect(await calls.claim("02", again)).toMatchObject({
      result: "replay",
      paymentId,
      supersededBy: paymentId,
    });
    await calls.ledger.answered([paymentId]);
    // The second authorization stays superseded: resending it never charges either.
    expect(await calls.claim("02", again)).toMatchObject({ result: "replay", paymentId });
  });

  test("is told to wait while the first one's outcome is unknown", async () => {
    const calls = new LedgerCalls();
    const paymentId = await calls.staged("01", RESPONSE);
    await calls.record(paymentId, AMBIGUOUS);
    expect(await calls.claim("02", again)).toMatchObject({ result: "unknown", paymentId });
  });

  test("is charged normally after the first answer was written out", async () => {
    const calls = new LedgerCalls();
    const { paymentId } = await calls.settled("01", RESPONSE);
    expect((await calls.claim("02", { ...again, answered: [paymentId] })).result).toBe("granted");
  });

  test("is charged normally on a route without the guard", async () => {
    const calls = new LedgerCalls();
    await calls.settled("01", RESPONSE);
    expect((await calls.claim("02", { ...again, resignGuard: false })).result).toBe("granted");
  });

  test("proceeds in their own right once the first one has finally failed", async () => {
    const calls = new LedgerCalls();
    const paymentId = await calls.staged("01", RESPONSE);
    const reply = await calls.record(paymentId, {
      class: "refused",
      reason: "insufficient_funds",
    });
    expect(reply).toMatchObject({ result: "failed", reason: "insufficient_funds" });
    expect((await calls.claim("02", again)).result).toBe("granted");
  });
});

describe("what was staged", () => {
  test("survives eviction, and the outcome still finds its attempt", async () => {
    const calls = new LedgerCalls();
    const paymentId = await calls.staged("01", RESPONSE);
    await evictDurableObject(calls.stub);
    const reply = await calls.record(paymentId, { class: "settled", transaction: "0xaa" });
    expect(reply).toMatchObject({ result: "settled", settlement: { transaction: "0xaa" } });
  });

  test("survives a crash and is replayed byte for byte, larger than one chunk", async () => {
    const calls = new LedgerCalls();
    const body = new Uint8Array(2_500_000).map((_, index) => index % 251);
    const { paymentId } = await calls.settled("01", { ...RESPONSE, body });
    await abortAllDurableObjects();
    const reply = await calls.claim("01");
    expect(reply).toMatchObject({ result: "replay", paymentId });
    expect(reply.result === "replay" && reply.response.body).toEqual(body);
  });

  test("with an unanswered attempt is settled by the alarm, with one more attempt", async () => {
    const calls = new LedgerCalls();
    const paymentId = await calls.staged("01", RESPONSE);
    const asked = fakeFacilitators(() =>
      Response.json({
        success: true,
        transaction: `0x${"ab".repeat(32)}`,
        network: LEDGER_NETWORK,
        payer: "0xpayer",
      }),
    );
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + ATTEMPT_LEASE_MS + 1);
    await runDurableObjectAlarm(calls.stub);
    expect(asked).toHaveLength(1);
    expect(await calls.claim("01")).toMatchObject({ result: "replay", paymentId });
  });

  test("stays due when nobody can be reached, and says so to a resend", async () => {
    const calls = new LedgerCalls();
    const paymentId = await calls.staged("01", RESPONSE);
    await calls.record(paymentId, AMBIGUOUS);
    fakeFacilitators(() => new Response("<html>", { status: 503 }));
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 5_000);
    await runDurableObjectAlarm(calls.stub);
    expect((await calls.claim("01")).result).toBe("unknown");
    await runInDurableObject(calls.stub, async (_ledger, state) => {
      expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
    });
  });
});

describe("the journal", () => {
  test("is append-only", async () => {
    const calls = new LedgerCalls();
    await calls.settled("01", RESPONSE);
    await runInDurableObject(calls.stub, (_ledger, { storage }) => {
      expect(() => storage.sql.exec("UPDATE journal SET amount_atomic = '1'")).toThrow(
        "append-only",
      );
      expect(() => storage.sql.exec("DELETE FROM journal")).toThrow("append-only");
    });
  });

  test("posts price and fee once however often the outcome is reported, and can be recomputed", async () => {
    const calls = new LedgerCalls();
    const { paymentId } = await calls.settled("01", RESPONSE);
    await calls.record(paymentId, { class: "settled", transaction: "0x01" });
    await calls.settled("02", RESPONSE);
    const balance = await calls.ledger.readBalance({
      network: LEDGER_NETWORK,
      asset: LEDGER_ASSET,
    });
    expect(balance).toMatchObject({
      settledAtomic: "20000",
      feesAtomic: "2000",
      payableAtomic: "18000",
      availableAtomic: "0",
    });
    await runInDurableObject(calls.stub, (_ledger, { storage }) => {
      const journal = new JournalRows(storage.sql);
      const sums = journal.recompute(LEDGER_ASSET);
      for (const account of ACCOUNTS) {
        expect(journal.balance(LEDGER_ASSET, account)).toBe(sums.get(account));
      }
    });
  });
});

describe("a ledger", () => {
  test("answers for its own tenant only", async () => {
    const calls = new LedgerCalls();
    const attempt = async () => {
      await calls.stub.readReceipt(new LedgerCalls().tenantId, "pay_x");
    };
    await expect(attempt).rejects.toThrow("another tenant's");
  });

  test("lists receipts newest first, in pages, and only of the filter", async () => {
    const calls = new LedgerCalls();
    const first = await calls.settled("01", RESPONSE);
    const second = await calls.settled("02", RESPONSE);
    const query = { fromMs: null, toMs: null, route: null, payer: null, state: null };
    const page = await calls.ledger.listReceipts({ ...query, cursor: null, limit: 1 });
    expect(page.receipts.map(({ paymentId }) => paymentId)).toEqual([second.paymentId]);
    const rest = await calls.ledger.listReceipts({ ...query, cursor: page.nextCursor, limit: 1 });
    expect(rest.receipts.map(({ paymentId }) => paymentId)).toEqual([first.paymentId]);
    expect(rest.nextCursor).toBeNull();
    const none = await calls.ledger.listReceipts({
      ...query,
      payer: "0xnobody",
      cursor: null,
      limit: 10,
    });
    expect(none.receipts).toEqual([]);
  });

  test("pays out only what is confirmed on the chain", async () => {
    const calls = new LedgerCalls();
    await calls.settled("01", RESPONSE);
    const reply = await calls.ledger.requestPayout({
      tenantSerial: 1,
      idempotencyKey: "payout-key-0000001",
      network: LEDGER_NETWORK,
      asset: LEDGER_ASSET,
      payTo: "0xdeposit",
      wallet: "0xwallet",
      amountAtomic: null,
    });
    expect(reply).toEqual({ result: "nothing_available", availableAtomic: 0n });
  });
});

/** Answers every settle call; everything else (the chain) is unreachable. */
function fakeFacilitators(answer: () => Response): string[] {
  const calls: string[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation((input) => {
    const url = new Request(input).url;
    if (url.endsWith("/supported")) {
      return Promise.resolve(Response.json({ kinds: [], extensions: [], signers: {} }));
    }
    if (!url.endsWith("/settle")) return Promise.reject(new Error("connection refused"));
    calls.push(url);
    return Promise.resolve(answer());
  });
  return calls;
}
