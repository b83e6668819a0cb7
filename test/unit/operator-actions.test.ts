/** Resolving: what the chain proves comes before what the operator says. */
import { describe, expect, test } from "vitest";
import {
  type OperatorDependencies,
  resolvePayment,
} from "../../durable-objects/settlement-ledger/operator-actions.ts";
import type { ChainReader } from "../../src/chain/port.ts";
import type { AuthorizationEvidence } from "../../src/settlement/evidence.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import { transition } from "../../src/settlement/transition.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const TRANSFER = {
  transaction: "0xaa",
  logIndex: 1,
  blockNumber: 7n,
  blockHash: "0xb",
  blockTimestampMs: NOW_MS,
};

const UNKNOWN: Payment = stagedPayment({ state: "unknown", dueAtMs: null });

interface World {
  readonly deps: OperatorDependencies;
  /** As it is now. */
  payment: Payment;
}

/** One payment, and a chain that says this about it; null: no chain is configured. */
function world(
  start: Payment,
  chain: Partial<ChainReader> | null,
): World & { readonly asked: string[] } {
  const asked: string[] = [];
  const reader: ChainReader = {
    findAuthorization: () => Promise.resolve({ found: "unused" }),
    confirmTransfer: (_authorization, transaction) => {
      asked.push(transaction);
      return Promise.resolve({ found: "missing" });
    },
    ...chain,
  };
  const made: World & { readonly asked: string[] } = {
    asked,
    payment: start,
    deps: {
      payment: (paymentId) => (paymentId === made.payment.paymentId ? made.payment : null),
      apply: (_paymentId, event) => {
        made.payment = transition(made.payment, event, { nowMs: NOW_MS, jitter: 0 }).payment;
        return made.payment;
      },
      chainOf: () => (chain === null ? null : reader),
      view: () => ({
        paymentId: made.payment.paymentId,
        direction: made.payment.direction,
        refundOf: null,
        state: made.payment.state,
        fulfilment: null,
        route: "/cities",
        method: "GET",
        url: "https://claw.test/cities",
        network: "eip155:84532",
        asset: "0xasset",
        payer: "0xpayer",
        payTo: "0xpayee",
        amountAtomic: "10000",
        feeAtomic: "1000",
        transaction: made.payment.transaction,
        failure: made.payment.failure,
        operatorRuling: made.payment.ruling?.resolution ?? null,
        attemptCount: made.payment.attempts.length,
        retryCount: made.payment.retryCount,
        dueAtMs: made.payment.dueAtMs,
        claimedAtMs: made.payment.claimedAtMs,
        settledAtMs: made.payment.settledAtMs,
        confirmedAtMs: made.payment.confirmedAtMs,
      }),
    },
  };
  return made;
}

function saying(evidence: AuthorizationEvidence): Partial<ChainReader> {
  return { findAuthorization: () => Promise.resolve(evidence) };
}

function resolve({ deps }: World, resolution: "settled" | "failed", transaction: string | null) {
  return resolvePayment(UNKNOWN.paymentId, { resolution, transaction }, deps);
}

describe("what the chain proves happens, whatever the operator says", () => {
  test.each([
    ["a transfer", "failed", { found: "transfer", transfer: TRANSFER }, "settled"],
    ["a cancellation", "settled", { found: "canceled", transaction: "0xcc" }, "failed"],
    ["the expiry", "settled", { found: "expired", finalizedBlockTimestampMs: NOW_MS }, "expired"],
  ] as const)("%s", async (_what, resolution, evidence, state) => {
    const it = world(UNKNOWN, saying(evidence));
    expect(await resolve(it, resolution, null)).toMatchObject({
      result: "proven",
      payment: { state, operatorRuling: null },
    });
  });

  test("also for a payout, which an operator's word can't end", async () => {
    const payout = { ...UNKNOWN, direction: "outgoing", response: "none" } as const;
    const unproven = world(payout, {});
    expect(await resolve(unproven, "failed", null)).toEqual({ result: "evidence_required" });
    expect(unproven.payment).toEqual(payout);
    const proven = world(payout, saying({ found: "transfer", transfer: TRANSFER }));
    expect(await resolve(proven, "failed", null)).toMatchObject({ result: "proven" });
  });

  test("at the transaction that the operator names, before anything is searched", async () => {
    const it = world(UNKNOWN, {
      confirmTransfer: () => Promise.resolve({ found: "confirmed", transfer: TRANSFER }),
      findAuthorization: () => Promise.reject(new Error("not to be searched")),
    });
    expect(await resolve(it, "settled", "0xaa")).toMatchObject({
      result: "proven",
      payment: { state: "settled", transaction: "0xaa" },
    });
  });
});

describe("without proof the operator's word counts", () => {
  test.each([
    ["the authorization may still land", saying({ found: "unused" })],
    ["it was used for something else", saying({ found: "used_otherwise", transaction: "0xdd" })],
    ["the chain can't be asked", saying({ found: "unavailable", reason: "down" })],
    ["there is no chain to ask", null],
  ])("when %s", async (_what, chain) => {
    const it = world(UNKNOWN, chain);
    expect(await resolve(it, "settled", "0xaa")).toMatchObject({
      result: "operator_unproven",
      payment: { state: "failed", failure: "operator_unproven", operatorRuling: "settled" },
    });
    expect(it.asked).toEqual(chain === null ? [] : ["0xaa"]);
  });

  test("but not over what was learnt while the chain was asked", async () => {
    const it = world(UNKNOWN, {
      findAuthorization: () => {
        it.deps.apply(UNKNOWN.paymentId, {
          type: "chain_checked",
          evidence: { found: "transfer", transfer: TRANSFER },
        });
        return Promise.resolve({ found: "unavailable", reason: "down" });
      },
    });
    expect(await resolve(it, "failed", null)).toEqual({ result: "decided" });
    expect(it.payment.state).toBe("settled");
  });
});

test("a payment nobody knows can't be resolved", async () => {
  const { deps } = world({ ...UNKNOWN, paymentId: "pay_acme_other" }, null);
  expect(
    await resolvePayment("pay_acme_1", { resolution: "failed", transaction: null }, deps),
  ).toEqual({ result: "not_found" });
});
