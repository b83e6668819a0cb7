import { beforeEach, describe, expect, it, vi } from "vitest";
import type { FacilitatorConfig } from "../../src/config.ts";
import { applyCheck, forceFacilitator } from "../../src/facilitator/health-state.ts";
import { healthView } from "../../src/facilitator/health-view.ts";
import { type PaymentKind, isFacilitatorBound } from "../../src/facilitator/payment-kind.ts";
import { tenantIdSchema } from "../../src/tenant/tenant-id.ts";
import {
  CONFIGS,
  EXPECTED,
  FacilitatorWorld,
  KIND,
  PAYMENT,
  REQUEST,
  VERIFY_MS,
  pay,
} from "../support/facilitator-world.ts";

let world: FacilitatorWorld;

beforeEach(() => {
  world = new FacilitatorWorld();
});

const rejection = (invalidReason: string) => ({
  status: 200,
  body: { isValid: false, invalidReason },
});

describe("failover", () => {
  it("asks the first in order when all are well, and nobody else", async () => {
    const edge = world.edge("a");
    expect(await pay(edge)).toBe("settled by primary");
    expect(world.taken()).toEqual(["primary/verify", "primary/settle"]);
  });

  it("carries the very next call through the fallback when the primary is killed", async () => {
    const edge = world.edge("a");
    await pay(edge);
    world.taken();
    world.set("primary", "all", "refused");
    expect(await pay(edge)).toBe("settled by fallback");
    expect(world.taken()).toEqual(
      ["primary/verify", "fallback/verify", "fallback/settle"]
        .toSpliced(2, 0, "fallback/supported")
        .filter((call) => call !== "fallback/supported"),
    );
  });

  it("stops waiting for a primary that hangs", async () => {
    world.set("primary", "all", "hanging");
    const edge = world.edge("a");
    expect(await pay(edge)).toBe("settled by fallback");
    world.taken();
    expect(await pay(edge)).toBe("settled by fallback");
    expect(world.taken()).toEqual(["fallback/verify", "fallback/settle"]);
  });

  it("says when to come back when nobody answers, and works again as soon as one does", async () => {
    world.set("primary", "all", "refused");
    world.set("fallback", "all", {
      status: 429,
      body: {},
      headers: { "Retry-After": "2" },
    });
    const edge = world.edge("a");
    const { outcome } = await edge.verify(PAYMENT, REQUEST);
    expect(outcome).toMatchObject({ class: "unavailable", retryAfterMs: 2_000 });
    world.set("primary", "all", "up");
    expect(await pay(edge)).toBe("settled by primary");
  });

  it("gives up at the deadline", async () => {
    const edge = world.edge("a");
    await edge.verify(PAYMENT, REQUEST);
    world.taken();
    const late = { ...REQUEST, deadlineMs: world.nowMs + 100 };
    expect((await edge.verify(PAYMENT, late)).outcome.class).toBe("unavailable");
    expect(world.taken()).toEqual([]);
  });

  it("keeps a bound payment at its facilitator, and offers no other to settle", async () => {
    world.set("fallback", "all", "refused");
    const edge = world.edge("a");
    const bound = { ...REQUEST, boundFacilitatorId: "fallback" };
    expect((await edge.verify(PAYMENT, bound)).outcome.class).toBe("unavailable");
    expect(edge.candidatesForSettle(KIND, "fallback").facilitatorIds).toEqual(["fallback"]);
    expect(world.taken()).toEqual(["fallback/verify"]);
  });
});

describe("a facilitator whose breaker is not closed", () => {
  /** The primary failed its verifications and works again; the fallback is what is set. */
  async function restingPrimary() {
    world.set("primary", "verify", "refused");
    const edge = world.edge("a");
    for (let count = 0; count < 3; count += 1) {
      await edge.verify(PAYMENT, REQUEST);
      await world.pass(4_000);
    }
    await world.pass(0);
    expect(world.state("primary", "verify")).toBe("open");
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
    world.set("primary", "verify", "up");
    world.taken();
    return edge;
  }

  it("is not asked while another one answers", async () => {
    const edge = await restingPrimary();
    await edge.verify(PAYMENT, REQUEST);
    expect(world.taken()).toEqual(["fallback/verify"]);
  });

  it("is the last resort of a call when nobody else answers", async () => {
    const edge = await restingPrimary();
    world.set("fallback", "verify", "refused");
    const { outcome, facilitatorId } = await edge.verify(PAYMENT, REQUEST);
    expect([outcome.class, facilitatorId]).toEqual(["valid", "primary"]);
    expect(world.taken()).toEqual(["fallback/verify", "primary/verify"]);
    await world.pass(0);
    expect(world.state("primary", "verify")).toBe("open");
  });

  it("is asked once by the call that probes it, and closes", async () => {
    const edge = await restingPrimary();
    await world.pass(6_000);
    world.set("fallback", "verify", "refused");
    expect((await edge.verify(PAYMENT, REQUEST)).facilitatorId).toBe("primary");
    expect(world.taken().toSorted()).toEqual(["fallback/verify", "primary/verify"]);
    await world.pass(1_000);
    expect(world.state("primary", "verify")).toBe("closed");
  });

  it("is not asked about a payment that was turned down", async () => {
    const edge = await restingPrimary();
    world.set("fallback", "verify", rejection("a_reason_of_next_year"));
    expect((await edge.verify(PAYMENT, REQUEST)).outcome.class).toBe("invalid");
    expect(world.taken()).toEqual(["fallback/verify"]);
  });

  it("is not asked after the deadline", async () => {
    const edge = await restingPrimary();
    world.set("fallback", "verify", "hanging");
    const deadlineMs = world.nowMs + VERIFY_MS * 3;
    const asked = edge.verify(PAYMENT, { ...REQUEST, deadlineMs });
    await vi.waitFor(() => expect(world.calls).toHaveLength(1), { timeout: 10_000 });
    world.nowMs = deadlineMs;
    expect((await asked).outcome.class).toBe("unavailable");
    expect(world.taken()).toEqual(["fallback/verify"]);
  });

  it("may settle what the others turned away unprocessed", async () => {
    const edge = await restingPrimary();
    for (let count = 0; count < 3; count += 1) {
      world.set("primary", "settle", { status: 500, body: {} });
      await edge.settle("primary", PAYMENT, EXPECTED);
    }
    await world.pass(1_000);
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(0);
    expect(world.state("primary", "settle")).toBe("open");
    expect(edge.candidatesForSettle(KIND, null)).toEqual({
      facilitatorIds: ["fallback"],
      lastResortIds: ["primary"],
    });
  });
});

describe("a facilitator that an operator holds open", () => {
  it("is sent nothing, not even the settlement that only it may make", async () => {
    const edge = world.edge("a");
    const decision = { state: "open", reason: "maintenance" } as const;
    world.health = forceFacilitator(world.health, "primary", decision, world.nowMs);
    const bound = { ...REQUEST, boundFacilitatorId: "primary" };
    expect((await edge.verify(PAYMENT, bound)).outcome.class).toBe("unavailable");
    expect(await edge.settle("primary", PAYMENT, EXPECTED)).toEqual({
      class: "unavailable",
      reason: "held_open",
      retryAfterMs: null,
    });
    expect(world.taken()).toEqual([]);
  });
});

describe("a quote of a scheme that is bound to its facilitator", () => {
  const BOUND: PaymentKind = { ...KIND, scheme: "upto" };

  /** The facilitators list the kind, each with its own address. */
  async function listingEdge(...ids: readonly string[]) {
    for (const config of CONFIGS.filter(({ id }) => ids.includes(id))) {
      const extra = { facilitatorAddress: `address of ${config.id}` };
      const supported = { kinds: [{ ...BOUND, extra }], extensions: [], signers: {} };
      const check = { signal: "healthy", durationMs: 10, supported } as const;
      const context = { nowMs: world.nowMs, random: 0.5 };
      world.health = applyCheck(world.health, config, check, context);
    }
    const edge = world.edge("a");
    await edge.verify(PAYMENT, { ...REQUEST, kind: BOUND });
    await world.pass(0);
    world.taken();
    return edge;
  }

  it("names the first in order, and what it has to carry of it", async () => {
    const edge = await listingEdge("primary", "fallback");
    expect(await edge.facilitatorForQuote(BOUND)).toEqual({
      facilitatorId: "primary",
      extra: { facilitatorAddress: "address of primary" },
    });
  });

  it("goes elsewhere when that one is ill at either operation, and what was quoted stays", async () => {
    const edge = await listingEdge("primary", "fallback");
    const quoted = (await edge.facilitatorForQuote(BOUND))?.facilitatorId ?? "";
    world.set("primary", "settle", { status: 500, body: {} });
    await edge.settle("primary", PAYMENT, EXPECTED);
    expect((await edge.facilitatorForQuote(BOUND))?.facilitatorId).toBe("fallback");
    expect(edge.candidatesForSettle(BOUND, quoted)).toEqual({
      facilitatorIds: ["primary"],
      lastResortIds: [],
    });
    const bound = { ...REQUEST, kind: BOUND, boundFacilitatorId: quoted };
    expect((await edge.verify(PAYMENT, bound)).facilitatorId).toBe("primary");
  });

  it("tries out one that is half-open in one quote of ten, because no other payment can probe it", async () => {
    let random = 0.5;
    const edge = await listingEdge("primary", "fallback");
    world.health = forceFacilitator(
      world.health,
      "primary",
      { state: "open", reason: "a test" },
      world.nowMs,
    );
    const auto = { state: "auto", reason: "a test" } as const;
    world.health = forceFacilitator(world.health, "primary", auto, world.nowMs);
    const trying = world.edge("b", CONFIGS, () => random);
    await trying.facilitatorForQuote(BOUND);
    const quoted = async () => (await trying.facilitatorForQuote(BOUND))?.facilitatorId;
    expect(await quoted()).toBe("fallback");
    random = 0.05;
    expect(await quoted()).toBe("primary");

    const bound = { ...REQUEST, kind: BOUND, boundFacilitatorId: "primary" };
    await trying.verify(PAYMENT, bound);
    await trying.settle("primary", PAYMENT, EXPECTED);
    await world.pass(1_000);
    await edge.facilitatorForQuote(BOUND);
    await world.pass(1_000);
    expect([world.state("primary", "verify"), world.state("primary", "settle")]).toEqual([
      "closed",
      "closed",
    ]);
  });

  it("names the least ill when none is well, and nobody when none lists the kind", async () => {
    const edge = await listingEdge("fallback");
    world.set("fallback", "settle", { status: 500, body: {} });
    await edge.settle("fallback", PAYMENT, EXPECTED);
    expect((await edge.facilitatorForQuote(BOUND))?.facilitatorId).toBe("fallback");
    expect(await edge.facilitatorForQuote({ ...BOUND, scheme: "batch-settlement" })).toBeNull();
  });

  it.each<[PaymentKind["scheme"], string, boolean]>([
    ["exact", "eip155:8453", false],
    ["exact", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", true],
    ["upto", "eip155:8453", true],
    ["batch-settlement", "eip155:8453", true],
  ])("of %s on %s: bound %s", (scheme, network, isBound) => {
    expect(isFacilitatorBound({ x402Version: 2, scheme, network })).toBe(isBound);
  });
});

describe("what a tenant prefers", () => {
  const preferredBy = ["acme"].map((id) => tenantIdSchema.parse(id));
  const configs = CONFIGS.map((config) =>
    config.id === "fallback" ? { ...config, preferredBy } : config,
  );
  const of = (tenantId: string) => ({ ...REQUEST, tenantId });

  it("goes first, at verify and at settle, for that tenant alone", async () => {
    const edge = world.edge("a", configs);
    expect((await edge.verify(PAYMENT, of("acme"))).facilitatorId).toBe("fallback");
    expect(edge.candidatesForSettle(KIND, null, "acme").facilitatorIds).toEqual([
      "fallback",
      "primary",
    ]);
    expect((await edge.verify(PAYMENT, of("other"))).facilitatorId).toBe("primary");
    expect(edge.candidatesForSettle(KIND, null, "other").facilitatorIds).toEqual([
      "primary",
      "fallback",
    ]);
    expect(edge.candidatesForSettle(KIND, null).facilitatorIds).toEqual(["primary", "fallback"]);
  });

  it("gives way to health like any order", async () => {
    world.set("fallback", "all", "refused");
    const edge = world.edge("a", configs);
    const { facilitatorId, outcome } = await edge.verify(PAYMENT, of("acme"));
    expect([outcome.class, facilitatorId]).toEqual(["valid", "primary"]);
    expect(edge.candidatesForSettle(KIND, null, "acme").facilitatorIds).toEqual([
      "primary",
      "fallback",
    ]);
  });
});

describe("a hedged verification", () => {
  const configs = CONFIGS.map((config) => ({ ...config, hedgeVerify: true }));

  /** An edge whose copy of the health knows how long the primary usually takes. */
  async function hedgingEdge(facilitators: readonly FacilitatorConfig[] = configs) {
    const edge = world.edge("a", facilitators);
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(1_000);
    await edge.verify(PAYMENT, REQUEST);
    await world.pass(1_000);
    world.taken();
    return edge;
  }

  it("goes by the other one when the first takes unusually long, and still counts the first", async () => {
    const edge = await hedgingEdge();
    world.set("primary", "verify", "hanging");
    const startedAtMs = performance.now();
    const { outcome, facilitatorId } = await edge.verify(PAYMENT, REQUEST);
    expect([outcome.class, facilitatorId]).toEqual(["valid", "fallback"]);
    expect(performance.now() - startedAtMs).toBeLessThan(VERIFY_MS);
    expect(world.taken()).toEqual(["primary/verify", "fallback/verify"]);
    await world.pass(0);
    const { facilitators } = healthView(world.health, world.nowMs);
    expect(facilitators[0]?.verify.window.failures).toBe(1);
  });

  it("costs nothing when the first answers as usual", async () => {
    const edge = await hedgingEdge();
    expect((await edge.verify(PAYMENT, REQUEST)).facilitatorId).toBe("primary");
    expect(world.taken()).toEqual(["primary/verify"]);
  });

  it("waits for both when the other one gives no answer", async () => {
    const edge = await hedgingEdge();
    world.set("primary", "verify", "hanging");
    world.set("fallback", "verify", "refused");
    expect((await edge.verify(PAYMENT, REQUEST)).outcome.class).toBe("unavailable");
    expect(world.taken()).toEqual(["primary/verify", "fallback/verify"]);
  });

  it("is off unless it is asked for: the other one waits for the timeout", async () => {
    const edge = await hedgingEdge(CONFIGS);
    world.set("primary", "verify", "hanging");
    const startedAtMs = performance.now();
    expect((await edge.verify(PAYMENT, REQUEST)).facilitatorId).toBe("fallback");
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(VERIFY_MS - 1);
  });
});
