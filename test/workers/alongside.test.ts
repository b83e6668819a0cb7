/** What runs when: a handler alongside its payment's verification, and what a payer may have run for nothing. */
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ALONGSIDE_RUNS_MAX,
  RUN_FORGOTTEN_AFTER_MS,
  UNCHARGED_RUNS_MAX,
} from "../../durable-objects/settlement-ledger/admission/payer-limits.ts";
import { ANSWER, PaidCalls } from "../support/paid-calls.ts";

const PAID = ["verify", "verified", "handler", "settle"];
const INVALID = async () => ({ isValid: false, invalidReason: "insufficient_funds" });

let calls: PaidCalls;
const payer = generatePrivateKey();

beforeEach(() => {
  calls = new PaidCalls();
  vi.useFakeTimers({ toFake: ["Date"] });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("alongside", () => {
  beforeEach(() => calls.open("alongside"));

  test("the handler runs while the payment is verified, and its answer leaves after the settlement", async () => {
    const started = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const settling = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    // Each waits for the other to have begun: one after the other, neither would end.
    calls.onRun = async () => {
      started.resolve();
      await asked.promise;
      return new Response(ANSWER);
    };
    calls.onVerify = async () => {
      asked.resolve();
      await started.promise;
      return { isValid: true };
    };
    calls.onSettle = async () => {
      settling.resolve();
      await released.promise;
    };
    const answer = calls.pay("1", payer);
    void answer.then(() => calls.log.push("answered"));
    await settling.promise;
    expect(calls.log).not.toContain("answered");
    released.resolve();
    const response = await answer;
    expect(await response.text()).toBe(ANSWER);
    expect(response.headers.get("Payment-Status")).toBe("settled");
    expect(calls.runs()).toBe(1);
  });

  test("a payment that is refused shows nothing of the answer", async () => {
    calls.onVerify = INVALID;
    const response = await calls.pay("1", payer);
    expect(response.status).toBe(402);
    expect(response.headers.get("PAYMENT-REQUIRED")).not.toBeNull();
    expect(await response.text()).not.toContain(ANSWER);
    expect(calls.runs()).toBe(1);
    expect(calls.log).not.toContain("settle");
  });

  test("runs for payments that are refused are counted: over the cap, the handler runs after verify", async () => {
    calls.onVerify = INVALID;
    for (let count = 0; count < ALONGSIDE_RUNS_MAX + 3; count += 1) {
      expect((await calls.pay("1", payer)).status).toBe(402);
    }
    expect(calls.runs()).toBe(ALONGSIDE_RUNS_MAX);
    calls.onVerify = async () => ({ isValid: true });
    calls.log.length = 0;
    expect((await calls.pay("2", payer)).status).toBe(200);
    expect(calls.log).toEqual(PAID);
    // Another payer is not affected, nor is this one for good.
    calls.log.length = 0;
    expect((await calls.pay("3", generatePrivateKey())).status).toBe(200);
    expect(calls.log[0]).toBe("handler");
    vi.setSystemTime(Date.now() + 2 * RUN_FORGOTTEN_AFTER_MS);
    calls.log.length = 0;
    expect((await calls.pay("4", payer)).status).toBe(200);
    expect(calls.log[0]).toBe("handler");
  });

  test("runs that are paid for are not counted", async () => {
    for (let count = 0; count < ALONGSIDE_RUNS_MAX + 1; count += 1) {
      calls.log.length = 0;
      expect((await calls.pay(`${count}`, payer)).status).toBe(200);
      expect(calls.log[0]).toBe("handler");
    }
  });

  test("a signature that is not the payer's runs nothing, and takes nothing from the payer", async () => {
    calls.onVerify = INVALID;
    const forger = generatePrivateKey();
    for (let count = 0; count < ALONGSIDE_RUNS_MAX + 1; count += 1) {
      expect((await calls.pay("1", payer, forger)).status).toBe(402);
    }
    expect(calls.runs()).toBe(0);
    calls.onVerify = async () => ({ isValid: true });
    calls.log.length = 0;
    expect((await calls.pay("2", payer)).status).toBe(200);
    expect(calls.log[0]).toBe("handler");
  });
});

describe("on any other route", () => {
  beforeEach(() => calls.open("after"));

  test("the handler runs only once the payment is verified", async () => {
    expect((await calls.pay("1", payer)).status).toBe(200);
    expect(calls.log).toEqual(PAID);
    calls.onVerify = INVALID;
    expect((await calls.pay("2", payer)).status).toBe(402);
    expect(calls.runs()).toBe(1);
  });

  test("runs that are not charged are limited per payer, and what is limited is not charged", async () => {
    calls.onRun = async () => new Response("no such item", { status: 404 });
    for (let count = 0; count < UNCHARGED_RUNS_MAX; count += 1) {
      expect((await calls.pay("1", payer)).status).toBe(404);
    }
    const header = await calls.sign("1", payer);
    const limited = await calls.send("1", header);
    expect(limited.status).toBe(429);
    expect(await limited.json()).toMatchObject({ code: "rate_limited" });
    expect(limited.headers.get("Retry-After")).toBe("1");
    expect(limited.headers.get("Payment-Status")).toBe("not-charged");
    expect(calls.runs()).toBe(UNCHARGED_RUNS_MAX);
    expect((await calls.pay("1", generatePrivateKey())).status).toBe(404);
    vi.setSystemTime(Date.now() + RUN_FORGOTTEN_AFTER_MS);
    calls.onRun = async () => new Response(ANSWER);
    expect((await calls.send("1", header)).status).toBe(200);
    expect(calls.log.filter((step) => step === "settle")).toHaveLength(1);
  });
});
