/** Payments with a `payment-identifier`: who owns an id, from when on, and what everybody else is told. */
import { beforeEach, describe, expect, test } from "vitest";
import { CLAIM_LEASE_MS, Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import type { ClaimCommand, ClaimDecision } from "../../src/settlement/claim.ts";
import { decideSignedIn } from "../../src/settlement/claim.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const ID = "hash of an id";

let store: MemoryStore;
let ledger: Ledger;

beforeEach(() => {
  store = new MemoryStore();
  ledger = new Ledger(store);
});

/** A claim of a payment for a request of its own, under the id. */
function claim(nonce: string, change: Partial<ClaimCommand> = {}, nowMs = NOW_MS): ClaimDecision {
  return ledger.claim(
    {
      identity: `identity ${nonce}`,
      payloadDigest: `digest ${nonce}`,
      requestFingerprint: `request ${nonce}`,
      payer: "0xpayer",
      proofs: { quoteHash: `quote ${nonce}`, identifierHash: ID, idempotencyKeyHash: null },
      refusal: null,
      validBeforeMs: 0,
      signatureProved: true,
      resignGuard: true,
      replayGraceMs: 0,
      ...change,
    },
    `pay_${nonce}`,
    nowMs,
  );
}

function stage(decision: ClaimDecision, nonce: string): string {
  if (decision.decision !== "grant") throw new Error(`${nonce} was ${decision.decision}`);
  const { paymentId, fence } = decision.claim;
  return ledger.stage(
    {
      grant: { paymentId, fence, leaseExpiresAtMs: 0 },
      identity: `identity ${nonce}`,
      authorization: { ...stagedPayment().authorization, payer: "0xpayer", nonce },
      wire: { x402Version: 2, paymentPayload: {}, paymentRequirements: {} },
      route: { path: "/r", method: "GET", url: "/r" },
      response: { status: 200, headers: [], body: new TextEncoder().encode(nonce) },
      facilitatorId: "primary",
      boundFacilitatorId: null,
      attemptLeaseMs: 25_000,
      feeAtomic: 1n,
      retentionMs: 86_400_000,
    },
    { nowMs: NOW_MS, jitter: 0 },
  ).result;
}

describe("an id that a payment is being worked on with", () => {
  test("is a conflict for another payment, and free again when that one is released", () => {
    const first = claim("first");
    expect(claim("second")).toEqual({ decision: "conflict" });
    if (first.decision === "grant") ledger.release("identity first", "pay_first", 1);
    expect(claim("second").decision).toBe("grant");
  });

  test("is free again when its edge has died", () => {
    claim("first");
    expect(claim("second", {}, NOW_MS + CLAIM_LEASE_MS).decision).toBe("grant");
  });

  test("keeps nobody out by a signature that is not known to be its payer's", () => {
    claim("first", { signatureProved: false });
    expect(claim("second").decision).toBe("grant");
  });

  test("is the first one's to be staged, where nobody could check the signatures", () => {
    const wallets = ["first", "second"].map((nonce) => claim(nonce, { signatureProved: false }));
    const [first, second] = wallets;
    if (first === undefined || second === undefined) throw new Error("two were claimed");
    expect(stage(second, "second")).toBe("staged");
    expect(stage(first, "first")).toBe("fenced");
    expect(claim("first")).toEqual({ decision: "conflict" });
    expect(ledger.claimCount).toBe(0);
  });

  test("is no obstacle to the payment itself", () => {
    claim("first");
    expect(claim("first").decision).toBe("in_progress");
  });
});

describe("an id that a payment was staged with", () => {
  beforeEach(() => stage(claim("first"), "first"));

  test("stays its own: a conflict for every other, even for one signed again for the same request", () => {
    expect(claim("second")).toEqual({ decision: "conflict" });
    expect(claim("second", { requestFingerprint: "request first" })).toEqual({
      decision: "conflict",
    });
  });

  test("stays its own when its settlement has failed", () => {
    const next = { facilitatorIds: [], leaseMs: 25_000 };
    const outcome = { class: "refused", reason: "insufficient_funds" } as const;
    const failed = ledger.finishAttempt("pay_first", 1, outcome, next, {
      nowMs: NOW_MS,
      jitter: 0,
    });
    expect(failed?.state).toBe("failed");
    expect(claim("second")).toEqual({ decision: "conflict" });
  });

  test("leaves payments without one alone", () => {
    const proofs = { quoteHash: "q", identifierHash: null, idempotencyKeyHash: null };
    expect(claim("second", { proofs }).decision).toBe("grant");
  });
});

describe("a payer who signs in", () => {
  const base = stagedPayment();
  const settled = { ...base, state: "settled", settledAtMs: NOW_MS } as const;

  test.each([
    ["nothing was paid", null, null, undefined],
    ["the answer is there", null, settled, "replay"],
    ["it is there and was never written out", settled, settled, "replay"],
    ["a newer payment is being settled", { ...base, state: "settling" }, settled, "in_progress"],
    ["a payment may have landed", { ...base, state: "unknown" }, null, "unknown"],
  ] as const)("is told when %s", (_, unanswered, newest, decision) => {
    expect(decideSignedIn(unanswered, newest)?.decision).toBe(decision);
  });

  test("needs no other proof beside a payment of theirs, and gets nobody else's", () => {
    stage(claim("first"), "first");
    const next = { facilitatorIds: [], leaseMs: 25_000 };
    const outcome = { class: "settled", transaction: "0xaa" } as const;
    ledger.finishAttempt("pay_first", 1, outcome, next, { nowMs: NOW_MS, jitter: 0 });
    const proofs = { quoteHash: null, identifierHash: null, idempotencyKeyHash: null };
    expect(claim("first", { proofs }).decision).toBe("proof_required");
    expect(claim("first", { proofs, signedInAs: "0xother" }).decision).toBe("proof_required");
    expect(claim("first", { proofs, signedInAs: "0xpayer" }).decision).toBe("replay");
  });
});
