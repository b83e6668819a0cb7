import { describe, expect, test } from "vitest";
import type { ClaimCommand, ClaimKnowledge } from "../../src/settlement/claim.ts";
import { decideClaim } from "../../src/settlement/claim.ts";
import type { PaymentEvent } from "../../src/settlement/event.ts";
import { nextStep } from "../../src/settlement/next-step.ts";
import { resolutionRefusal } from "../../src/settlement/operator.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import { transition } from "../../src/settlement/transition.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const CONTEXT = { nowMs: NOW_MS + 60_000, jitter: 0 };

const unknownPayment = stagedPayment({
  state: "unknown",
  dueAtMs: null,
  chainCheckedAtMs: NOW_MS,
  retryCount: 7,
  attempts: [
    {
      attempt: 1,
      facilitatorId: "primary",
      startedAtMs: NOW_MS,
      leaseExpiresAtMs: NOW_MS + 25_000,
      outcome: { class: "ambiguous", reason: "timeout", transaction: null },
    },
  ],
});

function after(payment: Payment, event: PaymentEvent): Payment {
  return transition(payment, event, CONTEXT).payment;
}

function resolved(resolution: "settled" | "failed"): Payment {
  return after(unknownPayment, { type: "operator_resolved", resolution });
}

const command: ClaimCommand = {
  identity: unknownPayment.identity,
  payloadDigest: unknownPayment.payloadDigest,
  requestFingerprint: unknownPayment.requestFingerprint,
  payer: unknownPayment.authorization.payer,
  proofs: unknownPayment.proofs,
  refusal: null,
  validBeforeMs: 0,
  signatureProved: true,
  resignGuard: true,
  replayGraceMs: 0,
};

function claimOf(known: Partial<ClaimKnowledge>, overrides: Partial<ClaimCommand> = {}) {
  return decideClaim(
    { ...command, ...overrides },
    {
      payment: null,
      claim: null,
      superseded: null,
      supersededByPayment: null,
      supersededByClaim: null,
      earlierPayment: null,
      earlierClaim: null,
      identifiedPayment: null,
      identifiedClaim: null,
      isBeingFulfilled: () => false,
      ...known,
    },
    { nowMs: CONTEXT.nowMs + 1_000_000, leaseMs: 60_000, newPaymentId: "pay_acme_2" },
  ).decision;
}

describe("a payment that an operator resolved without evidence", () => {
  test("has failed in the books, with the operator's word as its reason", () => {
    for (const resolution of ["settled", "failed"] as const) {
      expect(resolved(resolution)).toMatchObject({
        state: "failed",
        failure: "operator_unproven",
        settledAtMs: null,
        ruling: { resolution, atMs: CONTEXT.nowMs },
      });
    }
  });

  test("gives its payer the answer when it was resolved as settled, and only to its payer", () => {
    const payment = resolved("settled");
    expect(claimOf({ payment })).toBe("replay");
    const nothing = { quoteHash: null, identifierHash: null, idempotencyKeyHash: null };
    expect(claimOf({ payment }, { proofs: nothing })).toBe("proof_required");
    expect(claimOf({ payment: resolved("failed") })).toBe("failed");
  });

  test("still guards its payer against paying again for the answer", () => {
    const earlierPayment = resolved("settled");
    const resigned = { identity: "another", payloadDigest: "another" };
    expect(claimOf({ earlierPayment }, resigned)).toBe("replay");
    expect(claimOf({ earlierPayment: resolved("failed") }, resigned)).toBe("grant");
  });

  test("is watched on the chain, and settles when it lands after all", () => {
    const payment = resolved("failed");
    const step = nextStep(payment, {
      nowMs: payment.dueAtMs ?? 0,
      chain: "up",
      facilitatorIds: ["primary"],
    });
    expect(step).toEqual({ step: "check_chain" });
    const transfer = {
      transaction: "0xaa",
      logIndex: 1,
      blockNumber: 7n,
      blockHash: "0xb",
      blockTimestampMs: NOW_MS,
    };
    const landed = transition(
      payment,
      { type: "chain_checked", evidence: { found: "transfer", transfer } },
      CONTEXT,
    );
    expect(landed.payment).toMatchObject({ state: "settled", failure: null });
    expect(landed.effects).toMatchObject([
      { effect: "post", posting: { kind: "payment_settled" } },
      { effect: "alert", kind: "late_landing" },
    ]);
  });
});

describe("an operator can't resolve", () => {
  test.each([
    ["one that is decided", stagedPayment({ state: "settled" }), "failed", "decided"],
    ["one that is in flight", stagedPayment({ state: "settling" }), "failed", "in_flight"],
    [
      "a payout",
      stagedPayment({ state: "unknown", direction: "outgoing" }),
      "failed",
      "evidence_required",
    ],
    [
      "one as settled whose answer is not there",
      stagedPayment({ state: "unknown", response: "none" }),
      "settled",
      "nothing_to_release",
    ],
  ] as const)("%s", (_what, payment, resolution, refusal) => {
    expect(resolutionRefusal(payment, resolution)).toBe(refusal);
    expect(after(payment, { type: "operator_resolved", resolution })).toEqual(payment);
  });
});

describe("a retry", () => {
  test("makes a parked payment due now and has the chain asked first", () => {
    const retried = after(unknownPayment, { type: "retried" });
    expect(retried).toMatchObject({ state: "unknown", dueAtMs: CONTEXT.nowMs, retryCount: 0 });
    const step = nextStep(retried, {
      nowMs: CONTEXT.nowMs,
      chain: "up",
      facilitatorIds: ["primary"],
    });
    expect(step).toEqual({ step: "check_chain" });
  });

  test("leaves a confirmed payment alone", () => {
    const confirmed = stagedPayment({ state: "confirmed", dueAtMs: null });
    expect(after(confirmed, { type: "retried" })).toEqual(confirmed);
  });
});
