/** What the ledger does when two payments for one request are under way: however that came about, one is charged. */
import { beforeEach, describe, expect, test } from "vitest";
import { CLAIM_LEASE_MS, Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import type { ClaimCommand } from "../../src/settlement/claim.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const PAYER = "0xpayer";

let store: MemoryStore;
let ledger: Ledger;

beforeEach(() => {
  store = new MemoryStore();
  ledger = new Ledger(store);
});

function command(nonce: string, change: Partial<ClaimCommand> = {}): ClaimCommand {
  return {
    identity: `identity ${nonce}`,
    payloadDigest: `digest ${nonce}`,
    requestFingerprint: "request",
    payer: PAYER,
    proofs: { quoteHash: `quote ${nonce}`, identifierHash: null, idempotencyKeyHash: null },
    refusal: null,
    validBeforeMs: 0,
    signatureProved: true,
    resignGuard: true,
    replayGraceMs: 0,
    ...change,
  };
}

/** Claims a payment that is expected to be granted. @returns a function that stages it and says what came of it */
function claimed(nonce: string, nowMs: number, change: Partial<ClaimCommand> = {}) {
  const decision = ledger.claim(command(nonce, change), `pay_${nonce}`, nowMs);
  if (decision.decision !== "grant") throw new Error(`${nonce} was ${decision.decision}`);
  const { paymentId, fence } = decision.claim;
  return (stagedAtMs: number) =>
    ledger.stage(
      {
        grant: { paymentId, fence, leaseExpiresAtMs: 0 },
        identity: `identity ${nonce}`,
        authorization: { ...stagedPayment().authorization, payer: PAYER, nonce },
        wire: { x402Version: 2, paymentPayload: {}, paymentRequirements: {} },
        route: { path: "/r", method: "GET", url: "/r" },
        response: { status: 200, headers: [], body: new TextEncoder().encode(nonce) },
        facilitatorId: "primary",
        boundFacilitatorId: null,
        attemptLeaseMs: 25_000,
        feeAtomic: 1n,
        retentionMs: 86_400_000,
      },
      { nowMs: stagedAtMs, jitter: 0 },
    ).result;
}

function settle(paymentId: string, nowMs: number): void {
  const next = { facilitatorIds: [], leaseMs: 25_000 };
  const outcome = { class: "settled", transaction: "0xaa" } as const;
  ledger.finishAttempt(paymentId, 1, outcome, next, { nowMs, jitter: 0 });
}

describe("an edge that comes back after its lease", () => {
  const AFTER_MS = NOW_MS + CLAIM_LEASE_MS + 1;

  test("can't stage once its payer's next payment for the request was staged", () => {
    const stageFirst = claimed("first", NOW_MS);
    const stageSecond = claimed("second", AFTER_MS);
    expect(stageSecond(AFTER_MS + 10)).toBe("staged");
    expect(stageFirst(AFTER_MS + 20)).toBe("fenced");
    expect([...store.rows.keys()]).toEqual(["pay_second"]);
  });

  test("can't stage even when that one's answer was written out, and its resend gets that answer", () => {
    const stageFirst = claimed("first", NOW_MS);
    claimed("second", AFTER_MS)(AFTER_MS);
    settle("pay_second", AFTER_MS);
    ledger.noteAnswered(["pay_second"]);
    ledger.saveAnswered({ nowMs: AFTER_MS, jitter: 0 });
    expect(stageFirst(AFTER_MS + 20)).toBe("fenced");
    expect(ledger.claim(command("first"), "pay_new", AFTER_MS + 30)).toMatchObject({
      decision: "replay",
      payment: { paymentId: "pay_second" },
      superseded: { identity: "identity first", supersededBy: "pay_second" },
    });
  });

  test("stages when nobody took over", () => {
    expect(claimed("first", NOW_MS)(AFTER_MS)).toBe("staged");
  });
});

describe("payments whose signatures only a facilitator can check", () => {
  test("do not hold each other up, and the first to stage is the only one that is charged", () => {
    const unproved = { signatureProved: false };
    const stages = ["first", "second", "third"].map((nonce) => claimed(nonce, NOW_MS, unproved));
    expect(stages.toReversed().map((stage) => stage(NOW_MS + 10))).toEqual([
      "staged",
      "fenced",
      "fenced",
    ]);
    expect([...store.rows.keys()]).toEqual(["pay_third"]);
  });

  test("are told nothing of the one that overtook them, before somebody says who signed", () => {
    const forged = { signatureProved: false };
    claimed("second", NOW_MS, forged);
    claimed("first", NOW_MS)(NOW_MS + 10);
    const second = (change: Partial<ClaimCommand>) =>
      ledger.claim(command("second", change), "pay_new", NOW_MS + 20);
    expect(second(forged)).toMatchObject({ decision: "in_progress", superseded: null });
    settle("pay_first", NOW_MS);
    expect(second(forged)).toEqual({ decision: "verify_first" });
    const replayed = { decision: "replay", payment: { paymentId: "pay_first" } };
    expect(second({})).toMatchObject(replayed);
    // Whoever has proved to be the payer need not do so again.
    expect(second(forged)).toMatchObject(replayed);
  });

  test("bind nothing: another signature over the same authorization is no conflict", () => {
    claimed("second", NOW_MS, { signatureProved: false });
    claimed("first", NOW_MS)(NOW_MS + 10);
    const genuine = command("second", { payloadDigest: "genuine", requestFingerprint: "another" });
    expect(ledger.claim(genuine, "pay_new", NOW_MS + 20)).toMatchObject({ decision: "grant" });
  });

  test("wait while an earlier one may still land, and then for a facilitator to say who signed", () => {
    const unproved = { signatureProved: false };
    claimed("first", NOW_MS, unproved)(NOW_MS);
    const second = (change: Partial<ClaimCommand>) =>
      ledger.claim(command("second", change), "pay_new", NOW_MS + 10);
    expect(second(unproved)).toMatchObject({ decision: "in_progress", superseded: null });
    settle("pay_first", NOW_MS);
    expect(second(unproved)).toEqual({ decision: "verify_first" });
    expect(second({})).toMatchObject({
      decision: "replay",
      payment: { paymentId: "pay_first" },
      superseded: { identity: "identity second", supersededBy: "pay_first" },
    });
  });

  test("are all charged on a route that turned the guard off", () => {
    const unguarded = { signatureProved: false, resignGuard: false };
    const stages = ["first", "second"].map((nonce) => claimed(nonce, NOW_MS, unguarded));
    expect(stages.map((stage) => stage(NOW_MS + 10))).toEqual(["staged", "staged"]);
  });
});

test("an earlier payment that may still land guards, even behind a later one with nothing left to give", () => {
  const request = { routePath: "/r", method: "GET", url: "/r" };
  const kept = { requestFingerprint: "request", settledAtMs: null } as const;
  const rows = [
    stagedPayment({ ...kept, paymentId: "pay_1", identity: "identity 1", state: "unknown" }),
    stagedPayment({
      ...kept,
      paymentId: "pay_2",
      identity: "identity 2",
      state: "confirmed",
      response: "removed",
    }),
  ];
  for (const row of rows) store.payments.insert(row, request, null);
  expect(ledger.claim(command("third"), "pay_3", NOW_MS)).toMatchObject({
    decision: "unknown",
    payment: { paymentId: "pay_1" },
  });
});

describe("a superseded payment", () => {
  const HOUR_MS = 3_600_000;
  const validBeforeMs = NOW_MS + 300_000;
  const isKnown = () => store.superseded.get("identity second") !== null;
  const sweepAt = (nowMs: number) => ledger.removeSuperseded(10, nowMs);

  beforeEach(() => {
    claimed("first", NOW_MS)(NOW_MS);
    ledger.claim(command("second", { validBeforeMs }), "pay_second", NOW_MS);
  });

  test("is forgotten when its own authorization can't land any more, and never before", () => {
    settle("pay_first", NOW_MS);
    sweepAt(validBeforeMs + HOUR_MS - 1);
    expect(isKnown()).toBe(true);
    sweepAt(validBeforeMs + HOUR_MS);
    expect(isKnown()).toBe(false);
  });

  test("is kept as long as the payment that stands in for it may land", () => {
    sweepAt(validBeforeMs + 2 * HOUR_MS);
    expect(isKnown()).toBe(true);
    settle("pay_first", validBeforeMs + 2 * HOUR_MS);
    sweepAt(validBeforeMs + 2 * HOUR_MS);
    expect(isKnown()).toBe(false);
  });

  test("is forgotten with so many others at a time", () => {
    settle("pay_first", NOW_MS);
    ledger.claim(command("third", { validBeforeMs }), "pay_third", NOW_MS);
    ledger.removeSuperseded(1, validBeforeMs + HOUR_MS);
    const known = ["second", "third"].filter(
      (nonce) => store.superseded.get(`identity ${nonce}`) !== null,
    );
    expect(known).toEqual(["third"]);
  });
});
