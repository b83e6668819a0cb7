import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { FacilitatorConfig } from "../../src/config.ts";
import type { CallOutcome, OutcomeBatch } from "../../src/facilitator/health-messages.ts";
import type { HealthSignal } from "../../src/facilitator/health-signal.ts";
import { type HealthState, applyBatch, initialHealth } from "../../src/facilitator/health-state.ts";
import { healthView } from "../../src/facilitator/health-view.ts";

/* What edges report may be lost, late, repeated and out of order on its way to the shared health. */
const START_MS = 1_800_000_000_000;
const CONFIGS = ["primary", "fallback"].map((id): FacilitatorConfig => ({
  id,
  url: `https://${id}.example`,
  auth: { type: "none" },
  timeouts: { verifyMs: 5_000, settleMs: 20_000, supportedMs: 5_000 },
}));
const FRESH = initialHealth(CONFIGS, START_MS);

const outcome = fc.record({
  facilitatorId: fc.constantFrom("primary", "fallback", "removed"),
  operation: fc.constantFrom("verify" as const, "settle" as const),
  signal: fc.constantFrom<HealthSignal>(
    "healthy",
    "neutral",
    "rate_limited",
    "kind_withdrawn",
    "server",
    "timeout",
  ),
  reason: fc.constant(null),
  epoch: fc.integer({ min: -1, max: 3 }),
  durationMs: fc.integer({ min: 0, max: 30_000 }),
  ageMs: fc.integer({ min: 0, max: 90_000 }),
  probeId: fc.constantFrom(null, "probe"),
  retryAfterMs: fc.option(fc.integer({ min: 1, max: 300_000 })),
});

/** Batches of three edges, each numbered as its edge sent them, in the order in which they arrive. */
const batches = fc
  .array(
    fc.record({
      instanceId: fc.constantFrom("edge-a", "edge-b", "edge-c"),
      outcomes: fc.array(outcome, { maxLength: 5 }),
    }),
    { maxLength: 25 },
  )
  .map((sent) => {
    const counts = new Map<string, number>();
    return sent.map((each): OutcomeBatch => {
      const sequence = (counts.get(each.instanceId) ?? 0) + 1;
      counts.set(each.instanceId, sequence);
      return { ...each, sequence };
    });
  })
  .chain((sent) => fc.shuffledSubarray(sent, { minLength: 0, maxLength: sent.length }));

function take(state: HealthState, arrived: readonly OutcomeBatch[], nowMs: number): HealthState {
  const context = { nowMs, random: 0.5 };
  return arrived.reduce((next, batch) => applyBatch(next, batch, CONFIGS, context), state);
}

const runs = { numRuns: 1_000 };

it("takes every batch in once, whenever and however often it arrives again", () => {
  const repeated = batches.chain((arrived) =>
    fc.tuple(
      fc.constant(arrived),
      fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 20 }).map((places) => {
        const all = [...arrived];
        for (const [which, where] of places) {
          const index = which % Math.max(1, all.length);
          const again = all[index];
          if (again !== undefined) all.splice(index + 1 + (where % (all.length - index)), 0, again);
        }
        return all;
      }),
    ),
  );
  fc.assert(
    fc.property(repeated, ([once, often]) => {
      expect(take(FRESH, often, START_MS)).toEqual(take(FRESH, once, START_MS));
    }),
    runs,
  );
});

it("follows the facilitator, whatever was lost, late or out of order before", () => {
  fc.assert(
    fc.property(batches, fc.constantFrom<HealthSignal>("healthy", "timeout"), (past, truth) => {
      let state = take(FRESH, past, START_MS);
      let wasOpen = false;
      for (let second = 1; second <= 120; second += 1) {
        const nowMs = START_MS + second * 1_000;
        const epoch = primaryVerify(state, nowMs).epoch;
        const call: CallOutcome = {
          facilitatorId: "primary",
          operation: "verify",
          signal: truth,
          reason: null,
          epoch,
          durationMs: 40,
          ageMs: 0,
          probeId: null,
          retryAfterMs: null,
        };
        // Every third report is lost.
        if (second % 3 === 0) continue;
        const batch = { instanceId: "edge-d", sequence: second, outcomes: [call] };
        state = take(state, [batch], nowMs);
        wasOpen ||= primaryVerify(state, nowMs).state === "open";
      }
      const { state: last } = primaryVerify(state, START_MS + 120_000);
      expect(truth === "healthy" ? last === "closed" : wasOpen).toBe(true);
    }),
    { numRuns: 200 },
  );
});

function primaryVerify(state: HealthState, nowMs: number) {
  const primary = healthView(state, nowMs).facilitators.find(({ id }) => id === "primary");
  if (primary === undefined) throw new Error("no primary");
  return primary.verify;
}
