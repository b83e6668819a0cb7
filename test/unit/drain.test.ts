/** The alarm's drain on a clock of its own: who waits for whom when facilitators are slow, and what one alarm does at most. */
import { beforeEach, describe, expect, test } from "vitest";
import {
  CONCURRENCY,
  DRAIN_MS_MAX,
  PAYMENTS_MAX,
} from "../../durable-objects/settlement-ledger/alarm/drain-pool.ts";
import {
  type DrainDependencies,
  drainDue,
} from "../../durable-objects/settlement-ledger/alarm/drain.ts";
import { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import { SLOTS_AT_FIRST } from "../../durable-objects/settlement-ledger/alarm/settle-slots.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import { Clock } from "../simulation/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const SETTLE_TIMEOUT_MS = 20_000;
const HANGING = "hanging";
const WORKING = "working";
const AMBIGUOUS = { class: "ambiguous", reason: "timeout", transaction: null } as const;

let clock: Clock;
let store: MemoryStore;
let ledger: Ledger;
/** How long a settlement takes at the facilitator that works, milliseconds. */
let settleMs: number;
let inFlight: Record<string, number>;
let inFlightMax: Record<string, number>;
/** What the facilitator that works says. */
let outcome: SettleOutcome;
/** What facilitators may be used, and what the world around them does; tests change it. */
let around: Pick<DrainDependencies, "facilitatorIds" | "chainOf" | "wireOf" | "onError">;

beforeEach(() => {
  clock = new Clock(NOW_MS);
  store = new MemoryStore();
  ledger = new Ledger(store);
  settleMs = 400;
  outcome = { class: "settled", transaction: "0xaa" };
  inFlight = {};
  inFlightMax = {};
  around = {
    facilitatorIds: () => [HANGING, WORKING],
    chainOf: () => null,
    wireOf: async (payment) => store.payments.wireOf(payment.paymentId),
    onError: (_paymentId, error) => {
      throw error;
    },
  };
});

/** Payments that only the given facilitator may settle. */
function addDue(facilitatorId: string, count: number, dueAtMs = NOW_MS): void {
  for (let index = 0; index < count; index += 1) {
    const name = `${facilitatorId} ${dueAtMs} ${String(index).padStart(5, "0")}`;
    const { authorization } = stagedPayment();
    const payment = stagedPayment({
      paymentId: name,
      identity: name,
      requestFingerprint: name,
      authorization: { ...authorization, nonce: name, validBeforeMs: NOW_MS + 10_000_000 },
      boundFacilitatorId: facilitatorId,
      dueAtMs,
    });
    const request = { routePath: "/r", method: "GET", url: "/r" };
    const wire = { x402Version: 2, paymentPayload: {}, paymentRequirements: {} } as const;
    store.payments.insert(payment, request, wire);
  }
}

async function settle(facilitatorId: string): Promise<SettleOutcome> {
  inFlight[facilitatorId] = (inFlight[facilitatorId] ?? 0) + 1;
  inFlightMax[facilitatorId] = Math.max(
    inFlightMax[facilitatorId] ?? 0,
    inFlight[facilitatorId] ?? 0,
  );
  await clock.sleep(facilitatorId === HANGING ? SETTLE_TIMEOUT_MS : settleMs);
  inFlight[facilitatorId] = (inFlight[facilitatorId] ?? 0) - 1;
  return facilitatorId === HANGING ? AMBIGUOUS : outcome;
}

function dependencies(): DrainDependencies {
  return {
    payment: (paymentId) => ledger.payment(paymentId),
    apply: (paymentId, event, context) => ledger.apply(paymentId, event, context),
    due: (nowMs, limit) => store.payments.due(nowMs, limit),
    settle,
    attemptLeaseMs: SETTLE_TIMEOUT_MS + 5_000,
    now: () => clock.nowMs,
    sleep: (ms) => clock.sleep(ms),
    random: () => 0,
    ...around,
  };
}

/** One alarm, to its end. @returns how long it took, milliseconds */
async function alarm(): Promise<number> {
  const startedAtMs = clock.nowMs;
  const ended = Promise.withResolvers<number>();
  clock.after(0, () => {
    drainDue(dependencies()).then(() => ended.resolve(clock.nowMs), ended.reject);
  });
  await clock.runUntil(startedAtMs + DRAIN_MS_MAX + 3 * SETTLE_TIMEOUT_MS, () => undefined);
  return (await ended.promise) - startedAtMs;
}

/** Alarms while one payment is due, each as soon as it is. @returns how many */
function alarmsWithin(ms: number, payment: Payment): Promise<number> {
  const wire = { x402Version: 2, paymentPayload: {}, paymentRequirements: {} } as const;
  store.payments.insert(payment, { routePath: "/r", method: "GET", url: "/r" }, wire);
  return alarmsUntil(clock.nowMs + ms);
}

async function alarmsUntil(untilMs: number): Promise<number> {
  for (let alarms = 0; ; alarms += 1) {
    const dueAtMs = Math.max(store.payments.nextDueAtMs() ?? Infinity, clock.nowMs);
    if (dueAtMs >= untilMs) return alarms;
    clock.at(dueAtMs, () => undefined);
    await clock.runUntil(dueAtMs, () => undefined);
    await alarm();
  }
}

function settledBy(facilitatorId: string, untilMs = Infinity): number {
  return [...store.rows.values()].filter(
    (payment) =>
      payment.boundFacilitatorId === facilitatorId &&
      payment.settledAtMs !== null &&
      payment.settledAtMs <= untilMs,
  ).length;
}

describe("a facilitator that hangs", () => {
  test("does not delay payments that settle elsewhere, however many wait for it", async () => {
    addDue(HANGING, 700, NOW_MS - 1_000);
    addDue(WORKING, 100);
    await alarm();
    expect(inFlightMax).toEqual({ [HANGING]: SLOTS_AT_FIRST, [WORKING]: 4 });
    // Four at a time, after the first round of two.
    expect(settledBy(WORKING, NOW_MS + 26 * settleMs)).toBe(100);
  });

  test("does not delay what becomes due while it hangs", async () => {
    addDue(HANGING, 5);
    addDue(WORKING, 3, NOW_MS + 5_000);
    await alarm();
    expect(settledBy(WORKING, NOW_MS + 5_000 + 2 * settleMs + 250)).toBe(3);
  });

  test("does not hide what comes after its payments, alarm after alarm, and they stay due", async () => {
    const count = PAYMENTS_MAX + 200;
    addDue(HANGING, count, NOW_MS - 1_000);
    addDue(WORKING, 10);
    await alarm();
    expect(settledBy(WORKING)).toBe(0);
    await alarm();
    expect(settledBy(WORKING)).toBe(10);
    const hanging = [...store.rows.values()].filter((each) => each.settledAtMs === null);
    expect(hanging).toHaveLength(count);
    expect(hanging.every(({ dueAtMs }) => dueAtMs !== null)).toBe(true);
  });
});

describe("one alarm", () => {
  test("begins nothing once its time is over, and ends when what it has in hand ends", async () => {
    settleMs = 3_000;
    addDue(HANGING, 10, NOW_MS - 1_000);
    addDue(WORKING, 500);
    expect(await alarm()).toBeLessThanOrEqual(DRAIN_MS_MAX + SETTLE_TIMEOUT_MS);
    expect(settledBy(WORKING)).toBeGreaterThan(10);
    expect(settledBy(WORKING)).toBeLessThan(30);
    expect(store.payments.due(clock.nowMs, 1_000)).not.toHaveLength(0);
  });

  test("takes so many payments at most; thousands are worked off one alarm after another", async () => {
    settleMs = 1;
    const count = 2 * PAYMENTS_MAX + 500;
    addDue(WORKING, count);
    let before = 0;
    for (const worked of [PAYMENTS_MAX, PAYMENTS_MAX, 500]) {
      await alarm();
      const settled = settledBy(WORKING);
      expect(settled - before).toBeLessThanOrEqual(worked + CONCURRENCY);
      before = settled;
    }
    expect(before).toBe(count);
  });
});

describe("a payment that nothing can be done for now", () => {
  test("is looked at after longer each time: no facilitator may be used", async () => {
    around.facilitatorIds = () => [];
    expect(await alarmsWithin(60_000, stagedPayment())).toBe(7);
  });

  test("is looked at after longer each time: a payout that can't be signed", async () => {
    const errors: unknown[] = [];
    around.wireOf = () => Promise.reject(new Error("the signer is away"));
    around.onError = (_paymentId, error) => errors.push(error);
    expect(await alarmsWithin(60_000, stagedPayment({ direction: "outgoing" }))).toBe(7);
    expect(errors).toHaveLength(7);
  });

  test("costs few looks at the chain in its last seconds, when nothing that is sent could land", async () => {
    let looks = 0;
    const findAuthorization = async () => {
      looks += 1;
      return { found: "unused" } as const;
    };
    const confirmTransfer = async () => ({ found: "missing" }) as const;
    around.chainOf = () => ({ findAuthorization, confirmTransfer });
    const payment = stagedPayment({
      state: "unknown",
      authorization: { ...stagedPayment().authorization, validBeforeMs: NOW_MS + 5_500 },
      attempts: [
        {
          attempt: 1,
          facilitatorId: WORKING,
          startedAtMs: NOW_MS - 1_000,
          leaseExpiresAtMs: NOW_MS,
          outcome: AMBIGUOUS,
        },
      ],
    });
    expect(await alarmsWithin(5_500, payment)).toBe(looks);
    expect(looks).toBe(4);
  });
});

describe("without a chain to ask", () => {
  const LIFE_MS = 300_000;
  const payment = () => [...store.rows.values()][0];

  beforeEach(() => {
    around.facilitatorIds = () => [WORKING];
  });

  test("a payment that may have landed is sent again until a facilitator says that it settled", async () => {
    outcome = AMBIGUOUS;
    await alarmsWithin(100_000, stagedPayment());
    expect(payment()).toMatchObject({ state: "unknown", failure: null });
    outcome = { class: "settled", transaction: "0xaa" };
    await alarmsUntil(NOW_MS + LIFE_MS);
    expect(payment()).toMatchObject({ state: "settled", transaction: "0xaa", confirmedAtMs: null });
  });

  test("or until it can't land any more: then it waits for an operator, and is never taken for failed", async () => {
    outcome = AMBIGUOUS;
    await alarmsWithin(3 * LIFE_MS, stagedPayment());
    expect(payment()).toMatchObject({ state: "unknown", failure: null, dueAtMs: null });
    expect(store.alertRows.map(({ kind }) => kind)).toEqual(["needs_operator"]);
  });

  test("one that was never sent to anybody has failed by then", async () => {
    outcome = { class: "unavailable", reason: "facilitator_unreachable", retryAfterMs: null };
    await alarmsWithin(3 * LIFE_MS, stagedPayment());
    expect(payment()).toMatchObject({ state: "failed", failure: "facilitator_unavailable" });
  });
});
