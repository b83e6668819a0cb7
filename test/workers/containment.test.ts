/** What a tenant may cost, against the real ledger: admission, counted use, budgets, runaways, suspension. */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CLAIM_LEASE_MS } from "../../durable-objects/settlement-ledger/ledger.ts";
import {
  LIMIT_ERRORS_ALERT,
  LIMIT_ERRORS_SUSPEND,
} from "../../durable-objects/settlement-ledger/admission/runaway.ts";
import type { HandlerUsage } from "../../src/contracts/ledger.ts";
import type { AdmissionLimits } from "../../src/tenant/budgets.ts";
import { LedgerCalls } from "../support/ledger-calls.ts";
import { UNBOUNDED_LIMITS } from "../support/unbounded-limits.ts";

/** Far ahead of any real clock: alarms of then do not fire by themselves. */
const NOON_MS = Date.UTC(2099, 0, 15, 12);
const HOUR_MS = 3_600_000;
const RUN: HandlerUsage = { durationMs: 20, cpuMs: 5, egressBytes: 100, limitError: false };
const ERRING: HandlerUsage = { ...RUN, limitError: true };
const RESPONSE = { status: 200, headers: [], body: new Uint8Array([1]) };
const BY_OPERATOR = { reason: "asked to", by: "ann", sinceMs: NOON_MS, untilMs: null };

let calls: LedgerCalls;
let nonces = 0;

beforeEach(() => {
  calls = new LedgerCalls();
  vi.useFakeTimers({ toFake: ["Date"], now: NOON_MS });
});

afterEach(() => {
  vi.useRealTimers();
});

function claim(limits: Partial<AdmissionLimits> = {}, nonce = `${(nonces += 1)}`) {
  return calls.claim(nonce, { limits: { ...UNBOUNDED_LIMITS, ...limits } });
}

/** A call whose handler runs and is not paid for. @returns what the claim was told */
async function run(limits: Partial<AdmissionLimits> = {}, usage: HandlerUsage | null = RUN) {
  const nonce = `${(nonces += 1)}`;
  const reply = await claim(limits, nonce);
  if (reply.result === "granted") await calls.release(nonce, reply.grant, usage);
  return reply;
}

function usageNow() {
  return calls.ledger.readContainment();
}

async function alertsNow() {
  const { alerts } = await calls.ledger.listAlerts({ beforeAlert: null, limit: 50 });
  return alerts.map(({ kind, detail }) => `${kind}: ${detail}`).toReversed();
}

const suspended = (retryAfterMs: number | null = null) => ({
  result: "not_admitted",
  code: "tenant_suspended",
  limit: null,
  retryAfterMs,
});
const over = (limit: string, retryAfterMs: number) => ({
  result: "not_admitted",
  code: "tenant_limit_exceeded",
  limit,
  retryAfterMs,
});

describe("a suspension", () => {
  test("stops new payments at once; what is under way is finished and what is known is answered", async () => {
    const before = await calls.granted("in flight");
    await calls.settled("settled before", RESPONSE);
    await calls.ledger.setSuspension(BY_OPERATOR);
    expect(await claim()).toEqual(suspended());
    expect((await calls.stage("in flight", before, RESPONSE)).result).toBe("staged");
    const recorded = await calls.record(before.paymentId, {
      class: "settled",
      transaction: "0x1",
    });
    expect(recorded.result).toBe("settled");
    expect((await calls.claim("in flight")).result).toBe("replay");
    expect((await calls.claim("settled before")).result).toBe("replay");
    expect((await usageNow()).suspension).toEqual(BY_OPERATOR);
    await calls.ledger.setSuspension(null);
    expect((await claim()).result).toBe("granted");
  });

  test("outlasts the object", async () => {
    await calls.ledger.setSuspension(BY_OPERATOR);
    await abortAllDurableObjects();
    expect(await claim()).toEqual(suspended());
    expect((await usageNow()).suspension).toEqual(BY_OPERATOR);
  });

  test("with an end says when that is, and ends then", async () => {
    await calls.ledger.setSuspension({ ...BY_OPERATOR, untilMs: NOON_MS + HOUR_MS });
    expect(await claim()).toEqual(suspended(HOUR_MS));
    vi.setSystemTime(NOON_MS + HOUR_MS);
    expect((await usageNow()).suspension).toBeNull();
    expect((await claim()).result).toBe("granted");
  });
});

describe("what is admitted at once", () => {
  test("is so much a second; a payment that was given back before its handler ran does not count", async () => {
    const limits = { requestsPerSecond: 2 };
    for (let count = 0; count < 10; count += 1) {
      expect((await run(limits, null)).result).toBe("granted");
    }
    expect([(await run(limits)).result, (await run(limits)).result]).toEqual([
      "granted",
      "granted",
    ]);
    expect(await run(limits)).toEqual(over("requestsPerSecond", 500));
    vi.setSystemTime(NOON_MS + 500);
    expect((await run(limits)).result).toBe("granted");
  });

  test("is so many calls at a time, those of dead edges no longer than their lease", async () => {
    const limits = { concurrentCalls: 2 };
    const first = await claim(limits, "first");
    await claim(limits);
    expect(await claim(limits)).toEqual(over("concurrentCalls", 1_000));
    if (first.result !== "granted") throw new Error("the first is admitted");
    await calls.release("first", first.grant, RUN);
    expect((await claim(limits)).result).toBe("granted");
    expect(await claim(limits)).toEqual(over("concurrentCalls", 1_000));
    vi.setSystemTime(NOON_MS + CLAIM_LEASE_MS + 1);
    expect((await claim(limits)).result).toBe("granted");
  });
});

describe("use", () => {
  test("is counted by day and by month, charged and not", async () => {
    const grant = await calls.granted("paid");
    await calls.stage("paid", grant, RESPONSE, RUN);
    await calls.record(grant.paymentId, { class: "settled", transaction: "0x2" });
    await run({}, ERRING);
    await calls.ledger.reportEgress({ egressBytes: 1_000, subrequests: 3 });
    await run({ requestsPerSecond: 0 });
    const counted = {
      calls: 2,
      chargedCalls: 1,
      refusedCalls: 1,
      limitErrors: 1,
      egressBytes: 1_200,
      subrequests: 3,
      cpuMs: 10,
      durationMs: 40,
    };
    expect((await usageNow()).usage).toEqual({ day: counted, month: counted });
    vi.setSystemTime(NOON_MS + 24 * HOUR_MS);
    await run();
    const { usage } = await usageNow();
    expect([usage.day.calls, usage.month.calls]).toEqual([1, 3]);
  });

  test("is in the rows after the alarm, and outlasts the object", async () => {
    await run();
    await run();
    await runDurableObjectAlarm(calls.stub);
    await abortAllDurableObjects();
    expect((await usageNow()).usage.day.calls).toBe(2);
    await run();
    expect((await usageNow()).usage.month.calls).toBe(3);
  });

  test("costs a call no rows of its own: a hundred calls write two, when the alarm saves them", async () => {
    const written = await runInDurableObject(calls.stub, (_ledger, { storage }) => {
      const { sql } = storage;
      const exec = sql.exec.bind(sql);
      const statements: string[] = [];
      Object.defineProperty(sql, "exec", {
        value: (query: string, ...bindings: unknown[]) => {
          if (/\busage\b/.test(query) && !/^\s*SELECT/.test(query)) statements.push(query);
          return exec(query, ...bindings);
        },
      });
      return statements;
    });
    for (let count = 0; count < 100; count += 1) {
      expect((await run()).result).toBe("granted");
    }
    expect(written).toHaveLength(0);
    await runDurableObjectAlarm(calls.stub);
    expect(written).toHaveLength(2);
  });
});

describe("a budget", () => {
  const throttled = { callsPerDay: 10, onBudgetSpent: "throttle" } as const;
  const suspending = { callsPerDay: 10, onBudgetSpent: "suspend" } as const;
  const MIDNIGHT_MS = Date.UTC(2099, 0, 16);

  test("is warned of at 80 and at 100 %, each once, and then throttles until the day ends", async () => {
    for (let count = 0; count < 10; count += 1) await run(throttled);
    expect(await run(throttled)).toEqual(over("callsPerDay", MIDNIGHT_MS - NOON_MS));
    expect(await alertsNow()).toEqual([
      "budget_warning: 80 % of callsPerDay is used",
      "budget_spent: 100 % of callsPerDay is used",
    ]);
    await abortAllDurableObjects();
    expect(await run(throttled)).toEqual(over("callsPerDay", MIDNIGHT_MS - NOON_MS));
    vi.setSystemTime(MIDNIGHT_MS);
    for (let count = 0; count < 8; count += 1) {
      expect((await run(throttled)).result).toBe("granted");
    }
    expect((await alertsNow()).slice(2)).toEqual(["budget_warning: 80 % of callsPerDay is used"]);
  });

  test("is not passed by calls that are open: each may be the last one", async () => {
    for (let count = 0; count < 9; count += 1) await run(throttled);
    expect((await claim(throttled)).result).toBe("granted");
    expect(await claim(throttled)).toEqual(over("callsPerDay", 1_000));
    const byMonth = { callsPerDay: 11, callsPerMonth: 10 };
    expect(await claim(byMonth)).toEqual(over("callsPerMonth", 1_000));
  });

  test.each([
    ["durationMsPerMonth", 200],
    ["cpuMsPerMonth", 50],
    ["egressBytesPerDay", 1_000],
  ] as const)("of %s is counted from what runs report", async (limit, budget) => {
    for (let count = 0; count < 10; count += 1) {
      expect((await run({ [limit]: budget })).result).toBe("granted");
    }
    expect(await run({ [limit]: budget })).toMatchObject({ code: "tenant_limit_exceeded", limit });
  });

  test("suspends where the plan says so; after a release, what is still spent throttles", async () => {
    for (let count = 0; count < 10; count += 1) await run(suspending);
    expect(await run(suspending)).toEqual(suspended());
    expect((await usageNow()).suspension).toEqual({
      reason: "budget spent: callsPerDay",
      by: null,
      sinceMs: NOON_MS,
      untilMs: null,
    });
    await calls.ledger.setSuspension(null);
    expect(await run(suspending)).toEqual(over("callsPerDay", MIDNIGHT_MS - NOON_MS));
    // A raised one is a budget of its own.
    const raised = { ...suspending, callsPerDay: 12 };
    expect((await run(raised)).result).toBe("granted");
    expect((await run(raised)).result).toBe("granted");
    expect(await run(raised)).toEqual(suspended());
    expect((await alertsNow()).filter((alert) => alert.startsWith("tenant_suspended"))).toEqual([
      "tenant_suspended: budget spent: callsPerDay",
      "tenant_suspended: budget spent: callsPerDay",
    ]);
  });
});

describe("code that runs away", () => {
  test("is told of, then suspended, while others go on; one release, and it is admitted again", async () => {
    const other = new LedgerCalls();
    for (let count = 0; count < LIMIT_ERRORS_SUSPEND; count += 1) {
      expect((await run({}, ERRING)).result).toBe("granted");
      if (count === LIMIT_ERRORS_ALERT) expect((await alertsNow()).length).toBe(1);
    }
    expect(await run()).toEqual(suspended());
    expect((await other.claim("of another tenant")).result).toBe("granted");
    const reason = `${LIMIT_ERRORS_SUSPEND} of ${LIMIT_ERRORS_SUSPEND} runs within a minute passed a limit`;
    expect((await usageNow()).suspension).toMatchObject({ reason: `runaway: ${reason}`, by: null });
    expect((await alertsNow()).map((alert) => alert.split(":")[0])).toEqual([
      "runaway_suspected",
      "tenant_suspended",
    ]);
    await calls.ledger.setSuspension(null);
    expect((await run()).result).toBe("granted");
    expect((await usageNow()).suspension).toBeNull();
  });

  test("is noticed by the time it takes, measured by the day's budget", async () => {
    const limits = { durationMsPerDay: 3_600_000 };
    const long = { ...RUN, durationMs: 10_000 };
    for (let count = 0; count < 12; count += 1) {
      expect((await run(limits, long)).result).toBe("granted");
    }
    expect(await run(limits)).toEqual(suspended());
    expect((await usageNow()).suspension?.reason).toBe(
      "runaway: runs took 120 s within a minute, of 3600 s a day",
    );
  });
});
