import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type PaymentKind,
  type RequestedKind,
  kindOfWire,
} from "../../src/facilitator/payment-kind.ts";
import { type RoutableFacilitator, planRoute } from "../../src/facilitator/routing.ts";
import type { JsonObject, WirePayment } from "../../src/payment/wire.ts";

const NOW_MS = 1_800_000_000_000;
const KIND: PaymentKind = { x402Version: 2, scheme: "exact", network: "eip155:84532" };
const OTHER_KIND: PaymentKind = { ...KIND, network: "eip155:8453" };

type Health = Partial<Omit<RoutableFacilitator, "breaker">> &
  Partial<RoutableFacilitator["breaker"]>;

function facilitator(id: string, health: Health = {}): RoutableFacilitator {
  const { state = "closed", rateLimitedUntilMs = 0, ...rest } = health;
  return {
    id,
    networks: null,
    kinds: [KIND],
    extensions: [],
    isSuspect: false,
    isPassedOver: false,
    holdsProbe: false,
    ...rest,
    breaker: { state, epoch: 7, isProbing: false, rateLimitedUntilMs },
  };
}

/** `id` or `id:degradation`, in order; after a bar, what rests. */
function plan(
  facilitators: readonly RoutableFacilitator[],
  boundTo: string | null = null,
  kind: RequestedKind = KIND,
): string {
  const { candidates, resting } = planRoute(
    { kind, boundFacilitatorId: boundTo, nowMs: NOW_MS },
    facilitators,
  );
  const list = (each: typeof candidates) =>
    each
      .map(({ facilitatorId, degraded }) =>
        degraded === null ? facilitatorId : `${facilitatorId}:${degraded}`,
      )
      .join(" ");
  return resting.length === 0 ? list(candidates) : `${list(candidates)} | ${list(resting)}`;
}

/** A payment as it is kept: of v1 by `exact`, or of v2 by `upto`. */
function wireOf(x402Version: 1 | 2, extensions: JsonObject | null = null): WirePayment {
  return {
    x402Version,
    paymentPayload: extensions === null ? {} : { extensions },
    paymentRequirements: { scheme: x402Version === 1 ? "exact" : "upto" },
  };
}

const LIMITED = { rateLimitedUntilMs: NOW_MS + 1 };

it.each([
  [null, { x402Version: 2, scheme: "exact" }],
  [wireOf(1), { x402Version: 1, scheme: "exact", extensions: [] }],
  [wireOf(2, { sponsoring: {} }), { x402Version: 2, scheme: "upto", extensions: ["sponsoring"] }],
])("a payment that is sent once more asks for what it was sent with: %j", (wire, kind) => {
  expect(kindOfWire(wire, KIND.network)).toEqual({ ...kind, network: KIND.network });
});

describe("planRoute", () => {
  it.each<[string, RoutableFacilitator[], string]>([
    ["keeps the configured order", [facilitator("a"), facilitator("b")], "a b"],
    [
      "puts one that just failed here behind",
      [facilitator("a", { isSuspect: true }), facilitator("b")],
      "b a:suspect",
    ],
    [
      "puts one that is ill at verifying behind, and one that failed here further",
      [
        facilitator("a", { isSuspect: true }),
        facilitator("b", { isPassedOver: true }),
        facilitator("c"),
      ],
      "c b:passed_over a:suspect",
    ],
    [
      "puts one that limits us behind",
      [facilitator("a", LIMITED), facilitator("b", { isSuspect: true })],
      "b:suspect a:rate_limited",
    ],
    [
      "takes one back when its limit is over",
      [facilitator("a", { rateLimitedUntilMs: NOW_MS }), facilitator("b")],
      "a b",
    ],
    ["rests an open one", [facilitator("a", { state: "open" }), facilitator("b")], "b | a:open"],
    [
      "rests a half-open one",
      [facilitator("a", { state: "half_open" }), facilitator("b")],
      "b | a:half_open",
    ],
    [
      "gives the holder of its probe the half-open one in its place",
      [facilitator("a", { state: "half_open", holdsProbe: true }), facilitator("b")],
      "a b",
    ],
    [
      "tries all when all rest, half-open ones first",
      [facilitator("a", { state: "open" }), facilitator("b", { state: "half_open" })],
      "b:half_open a:open",
    ],
    [
      "tries the only one whatever its breaker says",
      [facilitator("a", { state: "open" })],
      "a:open",
    ],
    ["never tries one an operator opened", [facilitator("a", { state: "forced_open" })], ""],
    [
      "leaves out one that does not list the kind",
      [facilitator("a", { kinds: [OTHER_KIND] }), facilitator("b")],
      "b",
    ],
    [
      "leaves out another version of the kind",
      [facilitator("a", { kinds: [{ ...KIND, x402Version: 1 }] }), facilitator("b")],
      "b",
    ],
    [
      "takes one that was never heard to serve it",
      [facilitator("a", { kinds: null }), facilitator("b")],
      "a b",
    ],
    [
      "tries all when none lists the kind",
      [facilitator("a", { kinds: [] }), facilitator("b", { kinds: [OTHER_KIND], isSuspect: true })],
      "a:kind_unlisted b:suspect",
    ],
    [
      "leaves out one that is not configured for the network",
      [facilitator("a", { networks: ["eip155:8453"] }), facilitator("b")],
      "b",
    ],
    [
      "has nobody when none is configured for the network",
      [facilitator("a", { networks: ["eip155:8453"] })],
      "",
    ],
    [
      "prefers an open one that lists the kind to a healthy one that does not",
      [facilitator("a", { state: "open" }), facilitator("b", { kinds: [] })],
      "a:open",
    ],
  ])("%s", (_, facilitators, expected) => {
    expect(plan(facilitators)).toBe(expected);
  });

  it("sticks to the facilitator a payment is bound to, however ill it is", () => {
    expect(plan([facilitator("a"), facilitator("b")], "b")).toBe("b");
    expect(plan([facilitator("a"), facilitator("b", { state: "open" })], "b")).toBe("b:open");
    expect(plan([facilitator("a"), facilitator("b", { state: "forced_open" })], "b")).toBe("");
  });

  it.each<[string, RoutableFacilitator[], string]>([
    [
      "goes by those that list it",
      [facilitator("a"), facilitator("b", { extensions: ["other", "sponsoring"] })],
      "b",
    ],
    [
      "takes one that was never heard of it",
      [facilitator("a", { kinds: null }), facilitator("b", { extensions: ["sponsoring"] })],
      "a b",
    ],
    [
      "asks those that list the kind when none lists it",
      [facilitator("a"), facilitator("b", { kinds: [], extensions: ["sponsoring"] })],
      "a",
    ],
  ])("that needs an extension of its facilitator %s", (_, facilitators, expected) => {
    expect(plan(facilitators, null, { ...KIND, extensions: ["sponsoring"] })).toBe(expected);
  });

  it("admits a candidate under the epoch its health was read at", () => {
    const { candidates } = planRoute({ kind: KIND, boundFacilitatorId: null, nowMs: NOW_MS }, [
      facilitator("a"),
    ]);
    expect(candidates[0]?.epoch).toBe(7);
  });

  it("never takes out the last one that could serve, and never lists one twice", () => {
    const health = fc.record({
      state: fc.constantFrom("closed", "open", "half_open", "forced_open"),
      isSuspect: fc.boolean(),
      isPassedOver: fc.boolean(),
      holdsProbe: fc.boolean(),
      rateLimitedUntilMs: fc.constantFrom(0, NOW_MS + 1),
      kinds: fc.constantFrom(null, [], [KIND], [OTHER_KIND]),
      extensions: fc.constantFrom([], ["sponsoring"]),
      networks: fc.constantFrom(null, [KIND.network], [OTHER_KIND.network]),
    });
    fc.assert(
      fc.property(fc.array(health, { maxLength: 8 }), (healths) => {
        const facilitators = healths.map((each, index) => facilitator(`f${index}`, each));
        const kind = { ...KIND, extensions: ["sponsoring"] };
        const { candidates, resting } = planRoute(
          { kind, boundFacilitatorId: null, nowMs: NOW_MS },
          facilitators,
        );
        const couldServe = facilitators.some(
          ({ breaker, networks }) =>
            breaker.state !== "forced_open" && (networks?.includes(KIND.network) ?? true),
        );
        const ids = [...candidates, ...resting].map(({ facilitatorId }) => facilitatorId);
        expect(candidates.length > 0).toBe(couldServe);
        expect(new Set(ids).size).toBe(ids.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
