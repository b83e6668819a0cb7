import {
  abortAllDurableObjects,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { JournalRows } from "../../durable-objects/settlement-ledger/journal-rows.ts";
import type { ClaimGrant, ClaimReply, StoredResponse } from "../../src/contracts/ledger.ts";
import { ACCOUNTS } from "../../src/settlement/journal.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";
import { UNBOUNDED_LIMITS } from "../support/unbounded-limits.ts";

const ASSET = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
const NETWORK = "eip155:84532";
const LEASE_MS = 25_000;

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

interface Fixture {
  readonly tenantId: TenantId;
  readonly ledger: LedgerClient;
}

function freshLedger(): Fixture {
  const tenantId = parseTenantId(`t${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`);
  if (tenantId === null) throw new Error("the test made a name that is not one");
  return { tenantId, ledger: ledgerOf(env, tenantId) };
}

function claimRequest(
  nonce: string,
  overrides: Partial<Parameters<LedgerClient["claim"]>[0]> = {},
) {
  return {
    identity: `eip3009:${NETWORK}:${ASSET}:0xpayer:${nonce}`,
    payloadDigest: `digest ${nonce}`,
    requestFingerprint: `request ${nonce}`,
    proofs: { quoteHash: `quote ${nonce}`, identifierHash: null, idempotencyKeyHash: null },
    payer: "0xpayer",
    refusal: null,
    validBeforeMs: 0,
    signatureProved: true,
    resignGuard: true,
    replayGraceMs: 0,
    answered: [],
    limits: UNBOUNDED_LIMITS,
    ...overrides,
  };
}

const RESPONSE: StoredResponse = {
  status: 200,
  headers: [{ name: "content-type", value: "application/json" }],
  body: new TextEncoder().encode('{"rows":[1,2,3]}'),
};

function stageRequest(nonce: string, grant: ClaimGrant, response = RESPONSE) {
  return {
    grant,
    identity: `eip3009:${NETWORK}:${ASSET}:0xpayer:${nonce}`,
    authorization: {
      network: NETWORK,
      asset: ASSET,
      payer: "0xpayer",
      payee: "0xdeposit",
      amountAtomic: 10_000n,
      nonce,
      validAfterMs: 0,
      validBeforeMs: Date.now() + 300_000,
    },
    wire: { x402Version: 2 as const, paymentPayload: {}, paymentRequirements: {} },
    route: { path: "/cities", method: "GET", url: "https://acme.example/cities" },
    plan: "free" as const,
    collection: "treasury" as const,
    retentionMs: PLANS.free.limits.retentionMs,
    response,
    facilitatorId: "primary",
    boundFacilitatorId: null,
    attemptLeaseMs: LEASE_MS,
  };
}

function grantOf(reply: ClaimReply): ClaimGrant {
  if (reply.result !== "granted") throw new Error(`expected a grant, got ${reply.result}`);
  return reply.grant;
}

async function staged({ ledger }: Fixture, nonce: string, response = RESPONSE): Promise<string> {
  const grant = grantOf(await ledger.claim(claimRequest(nonce)));
  expect(await ledger.stage(stageRequest(nonce, grant, response))).toEqual({
    result: "staged",
    attempt: 1,
  });
  return grant.paymentId;
}

function record({ ledger }: Fixture, paymentId: string, outcome: SettleOutcome, attempt = 1) {
  return ledger.record({
    paymentId,
    attempt,
    outcome,
    nextFacilitatorIds: [],
    attemptLeaseMs: LEASE_MS,
  });
}

async function settled(fixture: Fixture, nonce: string, response = RESPONSE): Promise<string> {
  const paymentId = await staged(fixture, nonce, response);
  const reply = await record(fixture, paymentId, { class: "settled", transaction: `0x${nonce}` });
  expect(reply.result).toBe("settled");
  return paymentId;
}

const AMBIGUOUS: SettleOutcome = { class: "ambiguous", reason: "timeout", transaction: null };

describe("a claim", () => {
  test("is granted once; concurrent sends wait and get the same stored bytes", async () => {
    const fixture = freshLedger();
    const grant = grantOf(await fixture.ledger.claim(claimRequest("01")));
    const waiting = Array.from({ length: 20 }, () => fixture.ledger.claim(claimRequest("01")));
    await fixture.ledger.stage(stageRequest("01", grant));
    await record(fixture, grant.paymentId, { class: "settled", transaction: "0xaa" });
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
    const { ledger } = freshLedger();
    const grant = grantOf(await ledger.claim(claimRequest("01")));
    const waiting = ledger.claim(claimRequest("01"));
    await ledger.release({ identity: claimRequest("01").identity, grant, handlerRan: false });
    expect((await waiting).result).toBe("granted");
  });

  test("whose lease has ended is taken over with its payment id, and the late holder is fenced", async () => {
    const { ledger } = freshLedger();
    vi.useFakeTimers({ toFake: ["Date"] });
    const late = grantOf(await ledger.claim(claimRequest("01")));
    vi.setSystemTime(late.leaseExpiresAtMs + 1);
    const next = grantOf(await ledger.claim(claimRequest("01")));
    expect(next.paymentId).toBe(late.paymentId);
    expect(await ledger.stage(stageRequest("01", late))).toEqual({ result: "fenced" });
    expect((await ledger.stage(stageRequest("01", next))).result).toBe("staged");
  });

  test("does not survive a crash of the object, and then nothing can be staged on it", async () => {
    const { ledger } = freshLedger();
    const grant = grantOf(await ledger.claim(claimRequest("01")));
    await abortAllDurableObjects();
    expect(await ledger.stage(stageRequest("01", grant))).toEqual({ result: "fenced" });
    expect((await ledger.claim(claimRequest("01"))).result).toBe("granted");
  });

  test("is refused for its reason only when the payment is new", async () => {
    const fixture = freshLedger();
    const paymentId = await settled(fixture, "01");
    const refusal = "quote_expired";
    expect(await fixture.ledger.claim(claimRequest("01", { refusal }))).toMatchObject({
      result: "replay",
      paymentId,
    });
    expect(await fixture.ledger.claim(claimRequest("02", { refusal }))).toEqual({
      result: "refused",
      reason: refusal,
    });
  });

  test("of a known payment with another request or another signature is a conflict", async () => {
    const fixture = freshLedger();
    await settled(fixture, "01");
    for (const other of [{ requestFingerprint: "other" }, { payloadDigest: "other" }]) {
      expect(await fixture.ledger.claim(claimRequest("01", other))).toEqual({ result: "conflict" });
    }
  });

  test("outside the grace window needs one of the first request's secrets", async () => {
    const fixture = freshLedger();
    await settled(fixture, "01");
    const proofs = { quoteHash: null, identifierHash: null, idempotencyKeyHash: null };
    expect((await fixture.ledger.claim(claimRequest("01", { proofs }))).result).toBe(
      "proof_required",
    );
    expect(
      (
        await fixture.ledger.claim(
          claimRequest("01", { proofs: { ...proofs, quoteHash: "another quote" } }),
        )
      ).result,
    ).toBe("proof_required");
  });
});

describe("a payer who signs again for the same request", () => {
  const again = claimRequest("02", { requestFingerprint: "request 01" });

  test("gets the first payment's answer while that was not written out, and is not charged", async () => {
    const fixture = freshLedger();
    const paymentId = await settled(fixture, "01");
    expect(await fixture.ledger.claim(again)).toMatchObject({
      result: "replay",
      paymentId,
      supersededBy: paymentId,
    });
    await fixture.ledger.answered([paymentId]);
    // The second authorization stays superseded: resending it never charges either.
    expect(await fixture.ledger.claim(again)).toMatchObject({ result: "replay", paymentId });
  });

  test("is told to wait while the first one's outcome is unknown", async () => {
    const fixture = freshLedger();
    const paymentId = await staged(fixture, "01");
    await record(fixture, paymentId, AMBIGUOUS);
    expect(await fixture.ledger.claim(again)).toMatchObject({ result: "unknown", paymentId });
  });

  test("is charged normally after the first answer was written out", async () => {
    const fixture = freshLedger();
    const paymentId = await settled(fixture, "01");
    expect((await fixture.ledger.claim({ ...again, answered: [paymentId] })).result).toBe(
      "granted",
    );
  });

  test("is charged normally on a route without the guard", async () => {
    const fixture = freshLedger();
    await settled(fixture, "01");
    expect((await fixture.ledger.claim({ ...again, resignGuard: false })).result).toBe("granted");
  });

  test("proceeds in their own right once the first one has finally failed", async () => {
    const fixture = freshLedger();
    const paymentId = await staged(fixture, "01");
    const reply = await record(fixture, paymentId, {
      class: "refused",
      reason: "insufficient_funds",
    });
    expect(reply).toMatchObject({ result: "failed", reason: "insufficient_funds" });
    expect((await fixture.ledger.claim(again)).result).toBe("granted");
  });
});

describe("what was staged", () => {
  test("survives eviction, and the outcome still finds its attempt", async () => {
    const fixture = freshLedger();
    const paymentId = await staged(fixture, "01");
    await evictDurableObject(env.SETTLEMENT_LEDGER.getByName(fixture.tenantId));
    const reply = await record(fixture, paymentId, { class: "settled", transaction: "0xaa" });
    expect(reply).toMatchObject({ result: "settled", settlement: { transaction: "0xaa" } });
  });

  test("survives a crash and is replayed byte for byte, larger than one chunk", async () => {
    const fixture = freshLedger();
    const body = new Uint8Array(2_500_000).map((_, index) => index % 251);
    const paymentId = await settled(fixture, "01", { ...RESPONSE, body });
    await abortAllDurableObjects();
    const reply = await fixture.ledger.claim(claimRequest("01"));
    expect(reply).toMatchObject({ result: "replay", paymentId });
    expect(reply.result === "replay" && reply.response.body).toEqual(body);
  });

  test("with an unanswered attempt is settled by the alarm, with one more attempt", async () => {
    const fixture = freshLedger();
    const paymentId = await staged(fixture, "01");
    const calls = fakeFacilitators(() =>
      Response.json({
        success: true,
        transaction: `0x${"ab".repeat(32)}`,
        network: NETWORK,
        payer: "0xpayer",
      }),
    );
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + LEASE_MS + 1);
    await runDurableObjectAlarm(env.SETTLEMENT_LEDGER.getByName(fixture.tenantId));
    expect(calls).toHaveLength(1);
    expect(await fixture.ledger.claim(claimRequest("01"))).toMatchObject({
      result: "replay",
      paymentId,
    });
  });

  test("stays due when nobody can be reached, and says so to a resend", async () => {
    const fixture = freshLedger();
    const paymentId = await staged(fixture, "01");
    await record(fixture, paymentId, AMBIGUOUS);
    fakeFacilitators(() => new Response("<html>", { status: 503 }));
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.setSystemTime(Date.now() + 5_000);
    await runDurableObjectAlarm(env.SETTLEMENT_LEDGER.getByName(fixture.tenantId));
    expect((await fixture.ledger.claim(claimRequest("01"))).result).toBe("unknown");
    await runInDurableObject(
      env.SETTLEMENT_LEDGER.getByName(fixture.tenantId),
      async (_ledger, state) => {
        expect(await state.storage.getAlarm()).toBeGreaterThan(Date.now());
      },
    );
  });
});

describe("the journal", () => {
  test("is append-only", async () => {
    const fixture = freshLedger();
    await settled(fixture, "01");
    await runInDurableObject(
      env.SETTLEMENT_LEDGER.getByName(fixture.tenantId),
      (_ledger, { storage }) => {
        expect(() => storage.sql.exec("UPDATE journal SET amount_atomic = '1'")).toThrow(
          "append-only",
        );
        expect(() => storage.sql.exec("DELETE FROM journal")).toThrow("append-only");
      },
    );
  });

  test("posts price and fee once however often the outcome is reported, and can be recomputed", async () => {
    const fixture = freshLedger();
    const paymentId = await settled(fixture, "01");
    await record(fixture, paymentId, { class: "settled", transaction: "0x01" });
    await settled(fixture, "02");
    const balance = await fixture.ledger.readBalance({ network: NETWORK, asset: ASSET });
    expect(balance).toMatchObject({
      settledAtomic: "20000",
      feesAtomic: "2000",
      payableAtomic: "18000",
      availableAtomic: "0",
    });
    await runInDurableObject(
      env.SETTLEMENT_LEDGER.getByName(fixture.tenantId),
      (_ledger, { storage }) => {
        const journal = new JournalRows(storage.sql);
        const sums = journal.recompute(ASSET);
        for (const account of ACCOUNTS) {
          expect(journal.balance(ASSET, account)).toBe(sums.get(account));
        }
      },
    );
  });
});

describe("a ledger", () => {
  test("answers for its own tenant only", async () => {
    const mine = freshLedger();
    const stub = env.SETTLEMENT_LEDGER.getByName(mine.tenantId);
    const attempt = async () => {
      await stub.readReceipt(freshLedger().tenantId, "pay_x");
    };
    await expect(attempt).rejects.toThrow("another tenant's");
  });

  test("lists receipts newest first, in pages, and only of the filter", async () => {
    const fixture = freshLedger();
    const first = await settled(fixture, "01");
    const second = await settled(fixture, "02");
    const query = { fromMs: null, toMs: null, route: null, payer: null, state: null };
    const page = await fixture.ledger.listReceipts({ ...query, cursor: null, limit: 1 });
    expect(page.receipts.map(({ paymentId }) => paymentId)).toEqual([second]);
    const rest = await fixture.ledger.listReceipts({ ...query, cursor: page.nextCursor, limit: 1 });
    expect(rest.receipts.map(({ paymentId }) => paymentId)).toEqual([first]);
    expect(rest.nextCursor).toBeNull();
    const none = await fixture.ledger.listReceipts({
      ...query,
      payer: "0xnobody",
      cursor: null,
      limit: 10,
    });
    expect(none.receipts).toEqual([]);
  });

  test("pays out only what is confirmed on the chain", async () => {
    const fixture = freshLedger();
    await settled(fixture, "01");
    const reply = await fixture.ledger.requestPayout({
      tenantSerial: 1,
      idempotencyKey: "payout-key-0000001",
      network: NETWORK,
      asset: ASSET,
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
