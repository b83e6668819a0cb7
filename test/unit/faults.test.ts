import { describe, expect, test } from "vitest";
import { faultInjectionSchema } from "../../src/local/facilitator-control.ts";
import { NO_FAULTS, OPERATIONS, injectFault, nextFault } from "../../src/local/faults.ts";
import type { FaultPlan, Operation } from "../../src/local/faults.ts";

/** The faults that the next calls of an operation meet, in order. */
function faultsOf(plan: FaultPlan, operation: Operation, calls: number): string[] {
  const met: string[] = [];
  let current = plan;
  for (let call = 0; call < calls; call += 1) {
    const next = nextFault(current, operation);
    met.push(next.fault?.fault ?? "ok");
    current = next.plan;
  }
  return met;
}

describe("an injected fault", () => {
  test("meets every call until it is taken back when no number is given", () => {
    const plan = injectFault(NO_FAULTS, { operation: "settle", fault: "500" });
    expect(faultsOf(plan, "settle", 3)).toEqual(["500", "500", "500"]);
    const healed = injectFault(plan, { operation: "settle", fault: "ok" });
    expect(faultsOf(healed, "settle", 1)).toEqual(["ok"]);
  });

  test("meets exactly as many calls as asked for", () => {
    const plan = injectFault(NO_FAULTS, { operation: "verify", fault: "429", times: 2 });
    expect(faultsOf(plan, "verify", 4)).toEqual(["429", "429", "ok", "ok"]);
  });

  test("leaves the other operations alone", () => {
    const plan = injectFault(NO_FAULTS, { operation: "verify", fault: "hang" });
    expect(faultsOf(plan, "settle", 1)).toEqual(["ok"]);
    expect(faultsOf(plan, "supported", 1)).toEqual(["ok"]);
  });

  test("counts for each operation by itself when it is for all", () => {
    const plan = injectFault(NO_FAULTS, { operation: "all", fault: "refuse", times: 1 });
    const afterVerify = nextFault(plan, "verify").plan;
    expect(faultsOf(afterVerify, "verify", 1)).toEqual(["ok"]);
    expect(faultsOf(afterVerify, "settle", 1)).toEqual(["refuse"]);
  });

  test("replaces the one before, its count included", () => {
    const first = injectFault(NO_FAULTS, { operation: "settle", fault: "500", times: 5 });
    const second = injectFault(first, { operation: "settle", fault: "bad-json", times: 1 });
    expect(faultsOf(second, "settle", 2)).toEqual(["bad-json", "ok"]);
  });

  test("does not change the plan it was injected into", () => {
    injectFault(NO_FAULTS, { operation: "all", fault: "hang" });
    for (const operation of OPERATIONS) {
      expect(nextFault(NO_FAULTS, operation)).toEqual({ fault: null, plan: NO_FAULTS });
    }
  });

  test("waits a second when it is slow and nobody says how slow", () => {
    const plan = injectFault(NO_FAULTS, { operation: "settle", fault: "slow" });
    expect(plan.settle).toEqual({ fault: "slow", delayMs: 1_000, remaining: null });
  });
});

describe("an order over HTTP", () => {
  test("may have settlements lied about", () => {
    const order = { operation: "settle", fault: "lie", times: 1 };
    expect(faultInjectionSchema.parse(order)).toEqual(order);
  });

  test.each([
    ["an unknown fault", { operation: "settle", fault: "explode" }],
    ["an unknown operation", { operation: "discover", fault: "500" }],
    ["no times at all", { operation: "settle", fault: "500", times: 0 }],
    ["a delay for a fault that has none", { operation: "settle", fault: "500", delayMs: 10 }],
    ["a settlement's fault for verify", { operation: "verify", fault: "settle-then-lost" }],
    ["a settlement's fault for all", { operation: "all", fault: "pending" }],
    ["a lie about a verification", { operation: "verify", fault: "lie" }],
    ["a misspelt field", { operation: "settle", fault: "500", time: 1 }],
  ])("is refused with %s", (_, injection) => {
    expect(faultInjectionSchema.safeParse(injection).success).toBe(false);
  });
});
