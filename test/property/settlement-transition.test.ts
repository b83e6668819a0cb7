import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TransferEvidence } from "../../src/settlement/evidence.ts";
import type { Posting } from "../../src/settlement/journal.ts";
import { nextStep } from "../../src/settlement/next-step.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import { type Payment, isFailed, isSettled, openAttempt } from "../../src/settlement/payment.ts";
import type { PaymentEvent } from "../../src/settlement/event.ts";
import { FULFILMENT_ATTEMPTS_MAX } from "../../src/settlement/fulfilment.ts";
import { OPERATOR_UNPROVEN } from "../../src/settlement/operator.ts";
import { transition } from "../../src/settlement/transition.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const RUNS = 10_000;

const transaction = fc.constantFrom("0xaa", "0xbb");

const outcome: fc.Arbitrary<SettleOutcome> = fc.oneof(
  fc.record({ class: fc.constant("settled" as const), transaction }),
  fc.constant({ class: "refused" as const, reason: "insufficient_funds" }),
  fc.record({ class: fc.constant("pending" as const), transaction: fc.option(transaction) }),
  fc.record({
    class: fc.constant("ambiguous" as const),
    reason: fc.constantFrom("timeout", "unanswered"),
    transaction: fc.option(transaction),
  }),
  fc.constant({ class: "unavailable" as const, reason: "refused", retryAfterMs: null }),
);

const transfer: fc.Arbitrary<TransferEvidence> = transaction.map((hash) => ({
  transaction: hash,
  logIndex: 1,
  blockNumber: 7n,
  blockHash: "0xblock",
  blockTimestampMs: NOW_MS,
}));

const event: fc.Arbitrary<PaymentEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("attempt_started" as const),
      facilitatorId: fc.constantFrom("primary", "fallback"),
      leaseMs: fc.constant(25_000),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("attempt_finished" as const),
      attempt: fc.integer({ min: 1, max: 5 }),
      outcome,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("chain_checked" as const),
      evidence: fc.oneof(
        transfer.map((found) => ({ found: "transfer" as const, transfer: found })),
        fc.constant({ found: "canceled" as const, transaction: "0xcc" }),
        fc.constant({ found: "used_otherwise" as const, transaction: "0xdd" }),
        fc.constant({ found: "expired" as const, finalizedBlockTimestampMs: NOW_MS + 400_000 }),
        fc.constant({ found: "unused" as const }),
        fc.constant({ found: "unavailable" as const, reason: "down" }),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("confirmation_checked" as const),
      evidence: fc.oneof(
        transfer.map((found) => ({ found: "confirmed" as const, transfer: found })),
        fc.constant({ found: "shallow" as const, confirmations: 0 }),
        fc.constant({ found: "missing" as const }),
        fc.constant({ found: "unavailable" as const, reason: "down" }),
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.oneof(
      { weight: 4, arbitrary: fc.constant({ type: "fulfilment_started" as const }) },
      {
        weight: 4,
        arbitrary: fc.record({
          type: fc.constant("fulfilment_finished" as const),
          attempt: fc.integer({ min: 1, max: FULFILMENT_ATTEMPTS_MAX + 1 }),
          delivered: fc.boolean(),
        }),
      },
      fc.constant({ type: "fulfilment_lapsed" as const }),
    ),
  },
  fc.constantFrom<PaymentEvent>(
    { type: "abandoned" },
    { type: "parked" },
    { type: "retried" },
    { type: "operator_resolved", resolution: "settled" },
    { type: "operator_resolved", resolution: "failed" },
    { type: "answered" },
    { type: "response_removed" },
    { type: "postponed" },
    { type: "deferred", untilMs: NOW_MS + 1 },
  ),
);

interface Step {
  readonly event: PaymentEvent;
  readonly before: Payment;
  readonly after: Payment;
  readonly postings: readonly Posting[];
}

/** Plays the events one second apart, and hands every step to the check. */
function play(
  start: Payment,
  events: readonly PaymentEvent[],
  check: (step: Step) => void,
): Payment {
  let payment = start;
  for (const [index, each] of events.entries()) {
    const result = transition(payment, each, { nowMs: NOW_MS + index * 1_000, jitter: 0.5 });
    const postings = result.effects.flatMap((effect) =>
      effect.effect === "post" ? [effect.posting] : [],
    );
    check({ event: each, before: payment, after: result.payment, postings });
    payment = result.payment;
  }
  return payment;
}

/** Its payer has ten seconds to come for the answer. */
const upfrontPayment = stagedPayment({
  response: "none",
  fulfilment: { state: "pending", attempts: 0, beforeMs: NOW_MS + 10_000 },
});

const start = fc.constantFrom(
  stagedPayment(),
  upfrontPayment,
  stagedPayment({ direction: "outgoing", feeAtomic: 0n, response: "none" }),
);
const history = fc.array(event, { maxLength: 40 });

describe("whatever happens to a payment, in any order", () => {
  test("every posting sums to zero", () => {
    fc.assert(
      fc.property(start, history, (payment, events) => {
        play(payment, events, ({ postings }) => {
          for (const { entries } of postings) {
            expect(entries.reduce((sum, { amountAtomic }) => sum + amountAtomic, 0n)).toBe(0n);
          }
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("the journal counts it as settled exactly when its state says so, and never twice", () => {
    fc.assert(
      fc.property(start, history, (payment, events) => {
        let deposit = 0n;
        play(payment, events, ({ after, postings }) => {
          for (const { account, amountAtomic } of postings.flatMap(({ entries }) => entries)) {
            if (account === "deposit") deposit += amountAtomic;
          }
          const moved = isSettled(after) ? payment.authorization.amountAtomic : 0n;
          expect(deposit).toBe(payment.direction === "incoming" ? moved : -moved);
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("a payout's amount is in flight until it is settled or owed again", () => {
    fc.assert(
      fc.property(history, (events) => {
        const payout = stagedPayment({ direction: "outgoing", feeAtomic: 0n, response: "none" });
        const amount = payout.authorization.amountAtomic;
        let inFlight = amount;
        let payable = -amount;
        play(payout, events, ({ after, postings }) => {
          for (const { account, amountAtomic } of postings.flatMap(({ entries }) => entries)) {
            if (account === "in_flight") inFlight -= amountAtomic;
            if (account === "payable") payable -= amountAtomic;
          }
          expect(inFlight).toBe(isSettled(after) || isFailed(after) ? 0n : amount);
          expect(payable).toBe(isFailed(after) ? 0n : -amount);
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("it fails only with evidence (all attempts refused or never sent, cancelled, expired) or marked as unproven", () => {
    fc.assert(
      fc.property(start, history, (payment, events) => {
        play(payment, events, ({ event: cause, before, after }) => {
          if (!isFailed(after) || isFailed(before)) return;
          const byChain =
            cause.type === "chain_checked" &&
            (cause.evidence.found === "canceled" || cause.evidence.found === "expired");
          const neverBroadcast = after.attempts.every(
            (attempt) =>
              attempt.outcome?.class === "refused" || attempt.outcome?.class === "unavailable",
          );
          const byOperator = cause.type === "operator_resolved";
          expect(byChain || neverBroadcast || byOperator).toBe(true);
          expect(after.failure === OPERATOR_UNPROVEN).toBe(byOperator);
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("an operator's word posts nothing, never ends a payout, and leaves the chain watched", () => {
    fc.assert(
      fc.property(start, history, (payment, events) => {
        play(payment, events, ({ event: cause, before, after, postings }) => {
          if (cause.type !== "operator_resolved") return;
          expect(postings).toEqual([]);
          expect(isSettled(after)).toBe(isSettled(before));
          if (before.direction === "outgoing") expect(after).toEqual(before);
          if (isFailed(after) && !isFailed(before)) expect(after.dueAtMs).not.toBeNull();
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("a success wins whenever it arrives", () => {
    fc.assert(
      fc.property(start, history, (payment, events) => {
        const last = play(payment, events, () => {});
        const evidence = {
          found: "transfer" as const,
          transfer: {
            transaction: "0xee",
            logIndex: 1,
            blockNumber: 9n,
            blockHash: "0x",
            blockTimestampMs: NOW_MS,
          },
        };
        const { payment: after } = transition(
          last,
          { type: "chain_checked", evidence },
          { nowMs: NOW_MS, jitter: 0 },
        );
        expect(isSettled(after)).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  test("what was paid upfront is owed, delivered or a credit: the books and the state never disagree", () => {
    fc.assert(
      fc.property(history, (events) => {
        const owed = { credits: 0n, payable: 0n, fees: 0n };
        play(upfrontPayment, events, ({ after, postings }) => {
          for (const { account, amountAtomic } of postings.flatMap(({ entries }) => entries)) {
            if (account === "credits" || account === "payable" || account === "fees") {
              owed[account] -= amountAtomic;
            }
          }
          const { feeAtomic: fee, authorization } = upfrontPayment;
          const amount = authorization.amountAtomic;
          const undelivered = after.fulfilment?.state === "undelivered";
          expect(owed).toEqual(
            !isSettled(after)
              ? { credits: 0n, payable: 0n, fees: 0n }
              : undelivered
                ? { credits: amount, payable: 0n, fees: 0n }
                : { credits: 0n, payable: amount - fee, fees: fee },
          );
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("its handler runs only once it is settled, a bounded number of times, and never after an end", () => {
    fc.assert(
      fc.property(history, (events) => {
        play(upfrontPayment, events, ({ event: cause, before, after }) => {
          const runs = (payment: Payment) => payment.fulfilment?.attempts ?? 0;
          expect(runs(after)).toBeLessThanOrEqual(FULFILMENT_ATTEMPTS_MAX);
          if (runs(after) > runs(before)) {
            expect(isSettled(before)).toBe(true);
            expect(before.fulfilment?.state).toBe("pending");
          }
          if (before.fulfilment?.state !== "pending") {
            expect(after.fulfilment).toEqual(before.fulfilment);
          } else if (after.fulfilment?.state === "undelivered") {
            expect(
              runs(before) === FULFILMENT_ATTEMPTS_MAX || cause.type === "fulfilment_lapsed",
            ).toBe(true);
          }
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("at most one attempt is open, and attempts are only ever appended", () => {
    fc.assert(
      fc.property(start, history, (payment, events) => {
        play(payment, events, ({ before, after }) => {
          expect(after.attempts.filter(({ outcome: known }) => known === null).length).toBeLessThan(
            2,
          );
          expect(after.attempts.length).toBeGreaterThanOrEqual(before.attempts.length);
          expect(after.state === "settling").toBe(
            openAttempt(after) !== null && !isSettled(after) && !isFailed(after),
          );
        });
      }),
      { numRuns: RUNS },
    );
  });

  test("an unresolved payment is either due again or parked for an operator", () => {
    fc.assert(
      fc.property(history, (events) => {
        const undeferred = events.filter(({ type }) => type !== "deferred" && type !== "parked");
        const withoutOperator = undeferred.filter(
          (each) => each.type !== "chain_checked" || each.evidence.found !== "used_otherwise",
        );
        const last = play(stagedPayment(), withoutOperator, () => {});
        if (!isSettled(last) && !isFailed(last)) expect(last.dueAtMs).not.toBeNull();
      }),
      { numRuns: RUNS },
    );
  });

  test("whatever the chain says, an attempt in flight is looked after until it ends", () => {
    fc.assert(
      fc.property(history, (events) => {
        const engine = events.filter(({ type }) => type !== "deferred" && type !== "parked");
        const last = play(stagedPayment(), engine, () => {});
        if (openAttempt(last) === null || isSettled(last) || isFailed(last)) return;
        expect(last).toMatchObject({ state: "settling", dueAtMs: expect.any(Number) });
      }),
      { numRuns: RUNS },
    );
  });

  test("the next step never sends a payment that is settled, failed or in flight", () => {
    fc.assert(
      fc.property(
        start,
        history,
        fc.constantFrom("up", "down", "none"),
        (payment, events, chain) => {
          const last = play(payment, events, () => {});
          const step = nextStep(last, {
            nowMs: NOW_MS + 50_000,
            chain,
            facilitatorIds: ["primary", "fallback"],
          });
          if (step.step === "settle") {
            expect(isSettled(last) || isFailed(last) || openAttempt(last) !== null).toBe(false);
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
});
