/** What a payer may have in flight, and that nobody else can use it up. */
import { beforeEach, expect, test } from "vitest";
import { CLAIM_LEASE_MS, Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import {
  ALONGSIDE_RUNS_MAX,
  IN_FLIGHT_MAX,
  TENANT_ALONGSIDE_RUNS_MAX,
  UNCHARGED_RUNS_MAX,
} from "../../durable-objects/settlement-ledger/admission/payer-limits.ts";
import type { ClaimCommand, ClaimDecision } from "../../src/settlement/claim.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const RATE_LIMITED = { decision: "refused", reason: "rate_limited" };

let ledger: Ledger;
let payments: number;

beforeEach(() => {
  ledger = new Ledger(new MemoryStore());
  payments = 0;
});

/** A payment never seen before, for a request of its own. */
function claim(change: Partial<ClaimCommand> = {}, nowMs = NOW_MS): ClaimDecision {
  payments += 1;
  const command = {
    identity: `identity ${payments}`,
    payloadDigest: `digest ${payments}`,
    requestFingerprint: `request ${payments}`,
    payer: "0xpayer",
    proofs: { quoteHash: `quote ${payments}`, identifierHash: null, idempotencyKeyHash: null },
    refusal: null,
    validBeforeMs: 0,
    signatureProved: true,
    resignGuard: true,
    replayGraceMs: 0,
    ...change,
  };
  return ledger.claim(command, `pay_${payments}`, nowMs);
}

function granted(decision: ClaimDecision) {
  if (decision.decision !== "grant") throw new Error(`expected a grant, got ${decision.decision}`);
  return decision.claim;
}

function stage(decision: ClaimDecision): string {
  const { identity, paymentId, fence } = granted(decision);
  const { result } = ledger.stage(
    {
      grant: { paymentId, fence, leaseExpiresAtMs: 0 },
      identity,
      authorization: { ...stagedPayment().authorization, nonce: identity },
      wire: { x402Version: 2, paymentPayload: {}, paymentRequirements: {} },
      route: { path: "/r", method: "GET", url: "/r" },
      response: { status: 200, headers: [], body: new Uint8Array() },
      facilitatorId: "primary",
      boundFacilitatorId: null,
      attemptLeaseMs: 25_000,
      feeAtomic: 1n,
      retentionMs: 86_400_000,
    },
    { nowMs: NOW_MS, jitter: 0 },
  );
  expect(result).toBe("staged");
  return paymentId;
}

function finish(paymentId: string, outcome: "settled" | "refused"): void {
  ledger.finishAttempt(
    paymentId,
    1,
    outcome === "settled"
      ? { class: "settled", transaction: `0x${paymentId}` }
      : { class: "refused", reason: "insufficient_funds" },
    { facilitatorIds: [], leaseMs: 25_000 },
    { nowMs: NOW_MS, jitter: 0 },
  );
}

function claimMany(count: number, change: Partial<ClaimCommand> = {}): void {
  for (let index = 0; index < count; index += 1) granted(claim(change));
}

test("claims and unsettled payments of one payer are limited together; a settlement makes room", () => {
  const staged = stage(claim());
  claimMany(IN_FLIGHT_MAX - 1);
  expect(claim()).toEqual(RATE_LIMITED);
  granted(claim({ payer: "0xother" }));
  finish(staged, "settled");
  granted(claim());
  expect(claim()).toEqual(RATE_LIMITED);
});

test("claims whose edge died make room when their lease is over", () => {
  claimMany(IN_FLIGHT_MAX);
  expect(claim()).toEqual(RATE_LIMITED);
  granted(claim({}, NOW_MS + CLAIM_LEASE_MS));
});

test("forged claims take no room: beyond the limit, only what is proved to be the payer's goes on", () => {
  claimMany(IN_FLIGHT_MAX, { signatureProved: false });
  expect(claim({ signatureProved: false })).toEqual(RATE_LIMITED);
  claimMany(IN_FLIGHT_MAX);
  expect(claim()).toEqual(RATE_LIMITED);
});

test("a known payment is answered whatever its payer has open", () => {
  const first = claim({ identity: "known" });
  const paymentId = stage(first);
  finish(paymentId, "settled");
  claimMany(IN_FLIGHT_MAX);
  const { payloadDigest, requestFingerprint, proofs } = granted(first);
  const again = claim({ identity: "known", payloadDigest, requestFingerprint, proofs });
  expect(again).toMatchObject({ decision: "replay", payment: { paymentId } });
});

test("a settlement that failed counts as a run that was not charged", () => {
  for (let run = 0; run < UNCHARGED_RUNS_MAX; run += 1) finish(stage(claim()), "refused");
  expect(claim()).toEqual(RATE_LIMITED);
  granted(claim({}, NOW_MS + 1_000));
});

test("runs alongside verify are limited per payer while they last, and given back when they are not used", () => {
  const claims = Array.from({ length: ALONGSIDE_RUNS_MAX }, () =>
    granted(claim({ alongside: true })),
  );
  expect(claims.every(({ alongside }) => alongside)).toBe(true);
  expect(granted(claim({ alongside: true })).alongside).toBe(false);
  for (const { identity, paymentId, fence } of claims) ledger.release(identity, paymentId, fence);
  expect(granted(claim({ alongside: true })).alongside).toBe(true);
});

test("whoever signs with a new key each time makes handlers run after verify, for everybody, and no more", () => {
  for (let key = 0; key < TENANT_ALONGSIDE_RUNS_MAX; key += 1) {
    expect(granted(claim({ payer: `0x${key}`, alongside: true })).alongside).toBe(true);
  }
  expect(granted(claim({ payer: "0xnext", alongside: true })).alongside).toBe(false);
  expect(granted(claim({ payer: "0xlater", alongside: true }, NOW_MS + 100)).alongside).toBe(true);
});
