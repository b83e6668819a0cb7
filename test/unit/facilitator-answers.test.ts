import { beforeEach, describe, expect, it } from "vitest";
import { EXPECTED, FacilitatorWorld, PAYMENT, REQUEST, pay } from "../support/facilitator-world.ts";

let world: FacilitatorWorld;

beforeEach(() => {
  world = new FacilitatorWorld();
});

const rejection = (invalidReason: string) => ({
  status: 200,
  body: { isValid: false, invalidReason },
});

describe("rejections", () => {
  it("are believed at once when they are the payer's fault", async () => {
    world.set("primary", "verify", rejection("insufficient_funds"));
    const { outcome } = await world.edge("a").verify(PAYMENT, REQUEST);
    expect(outcome).toEqual({ class: "invalid", reason: "insufficient_funds" });
    expect(world.taken()).toEqual(["primary/verify"]);
  });

  it("that contradict our own signature check are put to one other, and counted when it disagrees", async () => {
    world.set("primary", "verify", rejection("invalid_exact_evm_signature"));
    const edge = world.edge("a");
    for (let count = 0; count < 3; count += 1) {
      expect((await edge.verify(PAYMENT, REQUEST)).facilitatorId).toBe("fallback");
      await world.pass(4_000);
    }
    await world.pass(0);
    expect(world.state("primary", "verify")).toBe("open");
  });

  it("are believed when the other one agrees, and count against nobody", async () => {
    for (const id of ["primary", "fallback"]) {
      world.set(id, "verify", rejection("invalid_exact_evm_signature"));
    }
    const edge = world.edge("a");
    for (let count = 0; count < 5; count += 1) {
      const { outcome } = await edge.verify(PAYMENT, REQUEST);
      expect(outcome).toEqual({ class: "invalid", reason: "invalid_signature" });
      await world.pass(1_000);
    }
    expect(world.state("primary", "verify")).toBe("closed");
    expect(world.taken()).toHaveLength(10);
  });

  it("of a signature we could not check ourselves are believed at once", async () => {
    world.set("primary", "verify", rejection("invalid_exact_evm_signature"));
    const unproved = { ...REQUEST, signatureProved: false };
    await world.edge("a").verify(PAYMENT, unproved);
    expect(world.taken()).toEqual(["primary/verify"]);
  });

  it("stand when nobody else can be asked", async () => {
    world.set("primary", "verify", rejection("a_reason_of_next_year"));
    world.set("fallback", "all", "refused");
    const { outcome } = await world.edge("a").verify(PAYMENT, REQUEST);
    expect(outcome).toEqual({ class: "invalid", reason: "unrecognized_reason" });
  });
});

describe("a rate limit", () => {
  const limited = { status: 429, body: {}, headers: { "Retry-After": "5" } };

  it("sends calls elsewhere until it is over, and opens nothing", async () => {
    world.set("primary", "verify", limited);
    const edge = world.edge("a");
    for (let count = 0; count < 5; count += 1) {
      expect(await pay(edge)).not.toBe("unavailable");
      await world.pass(500);
    }
    expect(world.taken().filter((call) => call === "primary/verify")).toHaveLength(1);
    expect(world.state("primary", "verify")).toBe("closed");
    world.set("primary", "verify", "up");
    await world.pass(5_000);
    expect(await pay(edge)).toBe("settled by primary");
  });

  it("is shared between tenants: a busy one can't use up what the facilitator lets through", async () => {
    const edge = world.edge("a");
    const verify = async (tenantId: string, count: number) => {
      const request = { ...REQUEST, tenantId, boundFacilitatorId: "primary" };
      const results = await Promise.all(
        Array.from({ length: count }, () => edge.verify(PAYMENT, request)),
      );
      return results.filter(({ outcome }) => outcome.class === "valid").length;
    };
    expect(await verify("busy", 40)).toBe(40);
    world.set("primary", "verify", { status: 429, body: {} });
    await verify("busy", 1);
    world.set("primary", "verify", "up");
    await world.pass(1_100);
    expect(await verify("busy", 40)).toBeLessThanOrEqual(25);
    expect(await verify("quiet", 5)).toBe(5);
  });

  it("is not tested by settling: nothing is sent before it is over", async () => {
    world.set("primary", "settle", limited);
    const edge = world.edge("a");
    await edge.verify(PAYMENT, REQUEST);
    await edge.settle("primary", PAYMENT, EXPECTED);
    world.taken();
    expect(await edge.settle("primary", PAYMENT, EXPECTED)).toEqual({
      class: "unavailable",
      reason: "rate_limited",
      retryAfterMs: 5_000,
    });
    expect(world.taken()).toEqual([]);
  });
});

describe("a settlement", () => {
  it("is sent once, whatever comes of it", async () => {
    const edge = world.edge("a");
    await edge.verify(PAYMENT, REQUEST);
    world.taken();
    world.set("primary", "settle", "refused");
    expect(await edge.settle("primary", PAYMENT, EXPECTED)).toEqual({
      class: "ambiguous",
      reason: "facilitator_unreachable",
      transaction: null,
    });
    expect(world.taken()).toEqual(["primary/settle"]);
  });

  it("is not sent to a facilitator nobody heard of lately and that does not answer", async () => {
    world.set("primary", "all", "refused");
    expect(await world.edge("a").settle("primary", PAYMENT, EXPECTED)).toEqual({
      class: "unavailable",
      reason: "facilitator_unreachable",
      retryAfterMs: null,
    });
    expect(world.taken()).toEqual(["primary/supported"]);
  });

  it("is not sent to a facilitator that is no longer configured", async () => {
    expect(await world.edge("a").settle("gone", PAYMENT, EXPECTED)).toMatchObject({
      class: "unavailable",
      reason: "not_configured",
    });
  });
});
