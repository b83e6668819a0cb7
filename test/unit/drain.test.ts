/** The alarm's drain on a clock of its own: who waits for whom when facilitators are slow, and what one alarm does at most. */
import { beforeEach, describe, expect, test } from "vitest";
import {
  CONCURRENCY,
  DRAIN_MS_MAX,
  PAYMENTS_MAX,
} from "../../durable-objects/settlement-ledger/drain-pool.ts";
import { type DrainDependencies, drainDue } from "../../durable-objects/settlement-ledger/drain.ts";
import { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import { SLOTS_AT_FIRST } from "../../durable-objects/settlement-ledger/settle-slots.ts";
import type { SettleOutcome } from "../../src/settlement/outcome.ts";
import { Clock } from "../simulation/clock.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { NOW_MS, stagedPayment } from "../support/payments.ts";

const SETTLE_TIMEOUT_MS = 20_000;
const HANGING = "hanging";
const WORKING = "working";

let clock: Clock;
let store: MemoryStore;
let ledger: Ledger;
/** How long a settlement takes at the facilitator that works, milliseconds. */
let settleMs: number;
let inFlight: Record<string, number>;
let inFlightMax: Record<string, number>;

beforeEach(() => {
  clock = new Clock(NOW_MS);
  store = new MemoryStore();
  ledger = new Ledger(store);
  settleMs = 400;
  inFlight = {};
  inFlightMax = {};
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
  return facilitatorId === HANGING
    ? { class: "ambiguous", reason: "timeout", transaction: null }
    : { class: "settled", transaction: "0xaa" };
}

function dependencies(): DrainDependencies {
  return {
    payment: (paymentId) => ledger.payment(paymentId),
    apply: (paymentId, event, context) => ledger.apply(paymentId, event, context),
    due: (nowMs, limit) => store.payments.due(nowMs, limit),
    chainOf: () => null,
    facilitatorIds: () => [HANGING, WORKING],
    settle,
    wireOf: async (payment) => store.payments.wireOf(payment.paymentId),
    attemptLeaseMs: SETTLE_TIMEOUT_MS + 5_000,
    now: () => clock.nowMs,
    sleep: (ms) => clock.sleep(ms),
    random: () => 0,
    onError: (_paymentId, error) => {
      throw error;
    },
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
