import { describe, expect, it } from "vitest";
import type { FacilitatorConfig } from "../../src/config.ts";
import { receive } from "../../src/facilitator/edge-records.ts";
import type { CallOutcome, OutcomeBatch } from "../../src/facilitator/health-messages.ts";
import type { HealthSignal } from "../../src/facilitator/health-signal.ts";
import {
  type HealthState,
  applyBatch,
  applyCheck,
  forceFacilitator,
  grantProbe,
  initialHealth,
  withFacilitators,
} from "../../src/facilitator/health-state.ts";
import { healthView, routingHealth } from "../../src/facilitator/health-view.ts";

const START_MS = 1_800_000_000_000;
const PRIMARY = config("primary");
const FALLBACK = config("fallback");
const CONFIGS = [PRIMARY, FALLBACK];

function config(id: string): FacilitatorConfig {
  return {
    id,
    url: `https://${id}.example`,
    auth: { type: "none" },
    timeouts: { verifyMs: 5_000, settleMs: 20_000, supportedMs: 5_000 },
  };
}

function outcome(signal: HealthSignal, fields: Partial<CallOutcome> = {}): CallOutcome {
  return {
    facilitatorId: "primary",
    operation: "verify",
    signal,
    reason: null,
    epoch: 0,
    durationMs: 40,
    ageMs: 0,
    probeId: null,
    retryAfterMs: null,
    ...fields,
  };
}

function batch(instanceId: string, sequence: number, outcomes: CallOutcome[]): OutcomeBatch {
  return { instanceId, sequence, outcomes };
}

function take(state: HealthState, ...batches: readonly OutcomeBatch[]): HealthState {
  const context = { nowMs: START_MS, random: 0.5 };
  return batches.reduce((next, each) => applyBatch(next, each, CONFIGS, context), state);
}

function views(state: HealthState, nowMs = START_MS) {
  const view = healthView(state, nowMs);
  const of = (id: string) => {
    const found = view.facilitators.find((each) => each.id === id);
    if (found === undefined) throw new Error(`no ${id}`);
    return found;
  };
  return { primary: of("primary"), fallback: of("fallback"), edges: view.edges };
}

const FRESH = initialHealth(CONFIGS, START_MS);
const TIMEOUTS = [1, 2, 3].map(() => outcome("timeout", { reason: "facilitator_timeout" }));

describe("a batch", () => {
  it("opens the breaker of its operation at its facilitator, and no other", () => {
    const { primary, fallback } = views(take(FRESH, batch("edge-a", 1, TIMEOUTS)));
    expect([primary.verify.state, primary.settle.state]).toEqual(["open", "closed"]);
    expect([fallback.verify.state, fallback.settle.state]).toEqual(["closed", "closed"]);
    expect(primary.transitions).toEqual([
      { atMs: START_MS, operation: "verify", from: "closed", to: "open", cause: "calls" },
    ]);
  });

  it("counts once, however often and in whatever order it arrives", () => {
    const first = batch("edge-a", 1, [outcome("timeout")]);
    const second = batch("edge-a", 2, [outcome("healthy")]);
    const once = views(take(FRESH, first, second));
    const often = views(take(FRESH, second, first, second, first, first));
    expect(often.primary.verify.window).toEqual({ calls: 2, failures: 1, slow: 0 });
    expect(often.primary.verify).toEqual(once.primary.verify);
  });

  it("is dropped where it speaks of a facilitator that is not configured", () => {
    const unknown = outcome("timeout", { facilitatorId: "gone" });
    expect(views(take(FRESH, batch("edge-a", 1, [unknown, unknown]))).edges[0]?.calls).toEqual([]);
  });

  it("is cut to its newest outcomes when it is too long", () => {
    const outcomes = [...TIMEOUTS, ...Array.from({ length: 256 }, () => outcome("healthy"))];
    const { window } = views(take(FRESH, batch("edge-a", 1, outcomes))).primary.verify;
    expect(window).toEqual({ calls: 256, failures: 0, slow: 0 });
  });

  it("counts a contradiction as a failure, and takes no time of it: it is no call of its own", () => {
    const contradicted = outcome("contradicted", { durationMs: 0 });
    const { verify } = views(
      take(FRESH, batch("edge-a", 1, [outcome("healthy"), contradicted])),
    ).primary;
    expect(verify.window).toMatchObject({ calls: 2, failures: 1 });
    expect(verify.latency).toEqual({ count: 1, p50Ms: 50, p95Ms: 50, p99Ms: 50 });
  });

  it("keeps the last few errors, newest first, with who saw them", () => {
    const outcomes = Array.from({ length: 12 }, (_, index) =>
      outcome("server", { ageMs: index * 100, reason: "facilitator_error" }),
    );
    const { lastErrors } = views(take(FRESH, batch("edge-a", 1, outcomes))).primary;
    expect(lastErrors).toHaveLength(8);
    expect(lastErrors[0]).toEqual({
      atMs: START_MS,
      source: "verify",
      signal: "server",
      reason: "facilitator_error",
      instanceId: "edge-a",
    });
  });
});

describe("edges", () => {
  it("are shown apart, so that a failure of one edge alone is seen as such", () => {
    const state = take(
      FRESH,
      batch("edge-a", 1, [outcome("timeout")]),
      batch("edge-b", 1, [outcome("healthy"), outcome("healthy")]),
      batch("edge-c", 1, [outcome("healthy")]),
    );
    const { primary, edges } = views(state);
    expect([primary.verify.callingEdges, primary.verify.failingEdges]).toEqual([3, 1]);
    expect(edges.find(({ instanceId }) => instanceId === "edge-a")?.calls).toEqual([
      { facilitatorId: "primary", operation: "verify", calls: 1, failures: 1 },
    ]);
  });

  it("are forgotten when many others came since", () => {
    const others = Array.from({ length: 40 }, (_, index) => batch(`edge-${index}`, 1, []));
    const { edges } = views(take(FRESH, batch("edge-a", 1, []), ...others));
    expect(edges).toHaveLength(32);
    expect(edges.some(({ instanceId }) => instanceId === "edge-a")).toBe(false);
  });

  it("may number their batches with gaps, late ones and duplicates", () => {
    let received = { highest: 0, bitmap: 0 };
    const taken = [1, 2, 5, 3, 5, 1, 40, 4, 9, 41, 40].map((sequence) => {
      const next = receive(received, sequence);
      received = next ?? received;
      return next !== null;
    });
    expect(taken).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      true,
      // 4 lies below the window of 32 that ends at 40, 9 does not.
      false,
      true,
      true,
      false,
    ]);
  });
});

const failed = (signal: HealthSignal) => ({ signal, durationMs: 20, supported: null });
const at = (elapsedMs: number) => ({ nowMs: START_MS + elapsedMs, random: 0.5 });

describe("a health check", () => {
  const healthy = {
    signal: "healthy",
    durationMs: 20,
    supported: {
      kinds: [{ x402Version: 2, scheme: "exact", network: "eip155:84532", extra: {} }],
      extensions: ["bazaar"],
      signers: {},
    },
  } as const;

  it("that reads the list does not vouch for verify or settle", () => {
    const open = take(FRESH, batch("edge-a", 1, TIMEOUTS));
    const checked = applyCheck(open, PRIMARY, healthy, at(1_000));
    expect(views(checked, START_MS + 1_000).primary.verify.state).toBe("open");
    const halfOpen = applyCheck(open, PRIMARY, healthy, at(10_000));
    expect(views(halfOpen, START_MS + 10_000).primary.verify.state).toBe("half_open");
  });

  it("that gets no answer counts against both operations", () => {
    const state = [0, 15_000, 30_000].reduce(
      (next, elapsedMs) => applyCheck(next, PRIMARY, failed("unreachable"), at(elapsedMs)),
      FRESH,
    );
    const { verify, settle } = views(state, START_MS + 30_000).primary;
    expect([verify.state, settle.state]).toEqual(["open", "open"]);
  });

  it("that is answered with an error counts against neither", () => {
    const state = [0, 15_000, 30_000, 45_000].reduce(
      (next, elapsedMs) => applyCheck(next, PRIMARY, failed("server"), at(elapsedMs)),
      FRESH,
    );
    const { verify, settle, lastCheck } = views(state, START_MS + 45_000).primary;
    expect([verify.state, settle.state, lastCheck?.signal]).toEqual(["closed", "closed", "server"]);
  });

  it("that fails leaves the last list in place", () => {
    const known = applyCheck(FRESH, PRIMARY, healthy, at(0));
    const state = applyCheck(known, PRIMARY, failed("timeout"), at(60_000));
    expect(routingHealth(state, START_MS).facilitators["primary"]?.kinds).toEqual(
      healthy.supported.kinds,
    );
    const { supported } = views(state, START_MS + 60_000).primary;
    expect(supported).toEqual({ ...healthy.supported, fetchedAtMs: START_MS, isStale: true });
    expect(views(known, START_MS + 59_999).primary.supported?.isStale).toBe(false);
  });
});

describe("a probe", () => {
  const later = START_MS + 10_000;

  it("is granted once, and its success closes the breaker for everybody", () => {
    const open = take(FRESH, batch("edge-a", 1, TIMEOUTS));
    const granted = grantProbe(open, PRIMARY, "verify", "probe-1", later);
    if (granted === null) throw new Error("not granted");
    expect(grantProbe(granted.state, PRIMARY, "verify", "probe-2", later)).toBeNull();
    const passed = outcome("healthy", { epoch: granted.epoch, probeId: "probe-1" });
    const closed = applyBatch(granted.state, batch("edge-b", 1, [passed]), CONFIGS, {
      nowMs: later,
      random: 0.5,
    });
    const { primary } = views(closed, later);
    expect(primary.verify.state).toBe("closed");
    expect(primary.transitions.map(({ to, cause }) => `${to} by ${cause}`)).toEqual([
      "closed by calls",
      "half_open by time",
      "open by calls",
    ]);
  });

  it("is not for a breaker that is closed or open", () => {
    expect(grantProbe(FRESH, PRIMARY, "verify", "probe-1", START_MS)).toBeNull();
    const open = take(FRESH, batch("edge-a", 1, TIMEOUTS));
    expect(grantProbe(open, PRIMARY, "verify", "probe-1", START_MS)).toBeNull();
  });
});

it("takes an operator's word for both operations, with the reason", () => {
  const state = forceFacilitator(FRESH, "primary", { state: "open", reason: "fees" }, START_MS);
  const { primary, fallback } = views(state);
  expect([primary.verify.state, primary.settle.state]).toEqual(["forced_open", "forced_open"]);
  expect(primary.verify.forced).toEqual({ state: "open", reason: "fees", sinceMs: START_MS });
  expect(primary.transitions.map(({ cause }) => cause)).toEqual(["operator", "operator"]);
  expect(fallback.verify.state).toBe("closed");
});

it("forgets a facilitator that was removed, and one whose id now names another URL", () => {
  const open = take(FRESH, batch("edge-a", 1, TIMEOUTS));
  const moved = { ...PRIMARY, url: "https://elsewhere.example" };
  expect(Object.keys(withFacilitators(open, [FALLBACK], START_MS).facilitators)).toEqual([
    "fallback",
  ]);
  expect(withFacilitators(open, CONFIGS, START_MS)).toEqual(open);
  expect(views(withFacilitators(open, [moved, FALLBACK], START_MS)).primary.verify.state).toBe(
    "closed",
  );
});

it("stays small: the worst history fits the two megabytes of one stored value many times over", () => {
  const outcomes = CONFIGS.flatMap(({ id }) =>
    (["verify", "settle"] as const).map((operation) =>
      outcome("server", { facilitatorId: id, operation, reason: "facilitator_error" }),
    ),
  );
  let state = FRESH;
  for (let index = 0; index < 200; index += 1) {
    const sent = batch(crypto.randomUUID(), 1, outcomes);
    state = applyBatch(state, sent, CONFIGS, { nowMs: START_MS + index * 7_000, random: 0.5 });
  }
  expect(JSON.stringify(state).length).toBeLessThan(40_000);
});
