import { beforeEach, describe, expect, it } from "vitest";
import { applyCheck, forceFacilitator } from "../../src/facilitator/health-state.ts";
import type { RoutedFacilitators } from "../../src/facilitator/routed-facilitators.ts";
import {
  CONFIGS,
  EXPECTED,
  FacilitatorWorld,
  KIND,
  PAYMENT,
  REQUEST,
  pay,
} from "../support/facilitator-world.ts";

let world: FacilitatorWorld;

beforeEach(() => {
  world = new FacilitatorWorld();
});

/** Fails at the primary until its breaker opens, as one edge sees it. */
async function trip(edge: RoutedFacilitators): Promise<void> {
  for (let count = 0; count < 3 && world.state("primary", "verify") !== "open"; count += 1) {
    await world.pass(4_000);
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
  }
  expect(world.state("primary", "verify")).toBe("open");
  world.taken();
}

/** The primary's breaker of settle is half-open, and this edge has the right to probe it. */
async function holdingSettleProbe(): Promise<RoutedFacilitators> {
  const supported = { kinds: [{ ...KIND, extra: {} }], extensions: [], signers: {} };
  for (const config of CONFIGS) {
    const check = { signal: "healthy", durationMs: 10, supported } as const;
    world.health = applyCheck(world.health, config, check, { nowMs: world.nowMs, random: 0.5 });
  }
  for (const state of ["open", "auto"] as const) {
    const decision = { state, reason: "a test" };
    world.health = forceFacilitator(world.health, "primary", decision, world.nowMs);
  }
  const edge = world.edge("a");
  // The first probes the breaker of verify; by the others the edge learns of the other one, and asks for its probe.
  for (let count = 0; count < 3; count += 1) {
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(1_000);
  }
  expect([world.state("primary", "verify"), world.state("primary", "settle")]).toEqual([
    "closed",
    "half_open",
  ]);
  return edge;
}

describe("the shared breaker", () => {
  it("protects other edges from what one of them saw", async () => {
    const [one, other] = [world.edge("a"), world.edge("b")];
    await other.verify(PAYMENT, REQUEST);
    world.set("primary", "all", "hanging");
    await trip(one);
    await other.verify(PAYMENT, REQUEST);
    await world.pass(1_000);
    world.taken();
    await other.verify(PAYMENT, REQUEST);
    expect(world.taken()).toEqual(["fallback/verify"]);
  });

  it("of verify takes settlements elsewhere, too, for edges that never failed", async () => {
    const [one, other] = [world.edge("a"), world.edge("b")];
    world.set("primary", "verify", "hanging");
    await trip(one);
    expect([world.state("primary", "verify"), world.state("primary", "settle")]).toEqual([
      "open",
      "closed",
    ]);
    expect(await pay(other)).toBe("settled by fallback");
    expect(world.taken()).not.toContain("primary/settle");
  });

  it("or none: a payment that was verified elsewhere is settled there, however late that is", async () => {
    const edge = world.edge("a");
    world.set("primary", "all", "hanging");
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(2_900);
    // The primary is suspect for another tenth of a second; when it comes to settling, nothing speaks against it.
    const { facilitatorId } = await edge.verify(PAYMENT, REQUEST);
    await world.pass(200);
    expect([facilitatorId, world.state("primary", "verify")]).toEqual(["fallback", "closed"]);
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["fallback", "primary"]);
    world.taken();
    await edge.verify(PAYMENT, REQUEST);
    expect(world.taken()).toEqual(["primary/verify", "fallback/verify"]);
  });

  it("is probed beside a call that is served elsewhere, once over all edges, and traffic returns", async () => {
    const edges = [world.edge("a"), world.edge("b"), world.edge("c")];
    world.set("primary", "all", "refused");
    const [one] = edges;
    if (one === undefined) throw new Error("no edge");
    await trip(one);
    world.set("primary", "all", "up");
    await world.pass(5_000);
    await Promise.all(edges.map((edge) => edge.verify(PAYMENT, REQUEST)));
    await world.pass(1_000);
    expect(world.taken().filter((call) => call === "primary/verify")).toHaveLength(1);
    await one.verify(PAYMENT, REQUEST);
    await world.pass(1_000);
    world.taken();
    await one.verify(PAYMENT, REQUEST);
    expect(world.taken()).toEqual(["primary/verify"]);
    expect(world.state("primary", "verify")).toBe("closed");
  });

  it("lets one settlement try a facilitator whose settling recovered", async () => {
    const failing = {
      status: 200,
      body: { success: false, errorReason: "unexpected_settle_error", transaction: "" },
    };
    world.set("primary", "settle", failing);
    const edge = world.edge("a");
    for (let count = 0; count < 3; count += 1) {
      expect(await pay(edge)).toBe("ambiguous by primary");
      await world.pass(4_000);
    }
    await world.pass(0);
    expect([world.state("primary", "settle"), world.state("primary", "verify")]).toEqual([
      "open",
      "closed",
    ]);
    expect(await pay(edge)).toBe("settled by fallback");
    await world.pass(6_000);
    world.set("primary", "settle", "up");
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(1_000);
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["primary", "fallback"]);
    expect(await edge.settle("primary", PAYMENT, EXPECTED)).toMatchObject({ class: "settled" });
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["fallback"]);
    await world.pass(1_000);
    edge.candidatesForSettle(KIND, null);
    await world.pass(1_000);
    expect(world.state("primary", "settle")).toBe("closed");
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["primary", "fallback"]);
  });

  it("lets no second settlement try it meanwhile, and names it in no quote", async () => {
    const edge = await holdingSettleProbe();
    expect((await edge.facilitatorForQuote(KIND))?.facilitatorId).toBe("fallback");
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["primary", "fallback"]);
    // The first one is on its way: staged, and not sent yet.
    expect(edge.candidatesForSettle(KIND, null)).toEqual({
      facilitatorIds: ["fallback"],
      lastResortIds: ["primary"],
    });
    expect((await edge.facilitatorForQuote(KIND))?.facilitatorId).toBe("fallback");
    // It ended without one: the right to probe is still there.
    await world.pass(5_000);
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["primary", "fallback"]);
  });

  it("never leaves nobody: with all open, all are tried", async () => {
    for (const { id } of CONFIGS) world.set(id, "all", "refused");
    const edge = world.edge("a");
    await trip(edge);
    expect(world.state("fallback", "verify")).toBe("open");
    world.set("fallback", "all", "up");
    expect(await pay(edge)).toBe("settled by fallback");
  });

  it("is not needed: without the shared health every facilitator is tried", async () => {
    world.isHealthReachable = false;
    world.set("primary", "all", "refused");
    const edge = world.edge("a");
    expect(await pay(edge)).toBe("settled by fallback");
    await world.pass(1_000);
    expect(await pay(edge)).toBe("settled by fallback");
  });
});

describe("reports", () => {
  it("travel in batches, about one a second", async () => {
    const edge = world.edge("a");
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
    world.batches.length = 0;
    for (let count = 0; count < 50; count += 1) await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
    expect(world.batches).toEqual([50]);
  });

  it("are dropped, oldest first, when there are too many for one batch", async () => {
    const edge = world.edge("a");
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
    world.batches.length = 0;
    await Promise.all(Array.from({ length: 300 }, () => edge.verify(PAYMENT, REQUEST)));
    await world.pass(0);
    expect(world.batches).toEqual([256]);
  });
});
