import * as fc from "fast-check";
import { expect, it } from "vitest";
import { BUCKET_COUNT } from "../../src/facilitator/call-window.ts";
import {
  type BreakerPolicy,
  type CallReport,
  type CircuitBreaker,
  advance,
  force,
  initialBreaker,
  observe,
  requestProbe,
} from "../../src/facilitator/circuit-breaker.ts";
import type { HealthSignal } from "../../src/facilitator/health-signal.ts";

const START_MS = 1_800_000_000_000;
const POLICY: BreakerPolicy = {
  callsMin: 3,
  failureRateMax: 0.5,
  slowRateMax: 0.8,
  slowCallMs: 3_000,
  recentBucketCount: 2,
  openMs: 5_000,
  openMsMax: 60_000,
  forgiveMs: 600_000,
  probeLeaseMs: 10_000,
};
/** The longest time open, jitter included. */
const OPEN_MS_LONGEST = POLICY.openMsMax * 1.2;

const signal = fc.constantFrom<HealthSignal>(
  "healthy",
  "neutral",
  "rate_limited",
  "kind_withdrawn",
  "auth",
  "server",
  "malformed",
  "timeout",
  "unreachable",
  "contradicted",
);

/** A report before it is known what the breaker's epoch and the time are when it arrives. */
const looseReport = fc.record({
  signal,
  /** Relative to the epoch at arrival: 0 is current, below late, above impossible. */
  epochOffset: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.integer({ min: -3, max: 3 })),
  ageMs: fc.integer({ min: 0, max: 120_000 }),
  durationMs: fc.integer({ min: 0, max: 30_000 }),
  isProbe: fc.boolean(),
  retryAfterMs: fc.option(fc.integer({ min: 1, max: 300_000 })),
});
type LooseReport = typeof looseReport extends fc.Arbitrary<infer Report> ? Report : never;

const command = fc.oneof(
  fc.record({
    type: fc.constant("observe" as const),
    reports: fc.array(looseReport, { maxLength: 6 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  }),
  fc.record({ type: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 90_000 }) }),
  fc.record({ type: fc.constant("probe" as const) }),
  fc.record({
    type: fc.constant("force" as const),
    state: fc.constantFrom("open" as const, "closed" as const, "auto" as const),
  }),
);
type Command = typeof command extends fc.Arbitrary<infer Each> ? Each : never;

/** A breaker, its clock, and the probes that callers believe they hold. */
interface World {
  breaker: CircuitBreaker;
  nowMs: number;
  probeCount: number;
  outstanding: { readonly probeId: string; readonly expiresAtMs: number }[];
}

function newWorld(): World {
  return { breaker: initialBreaker(START_MS), nowMs: START_MS, probeCount: 0, outstanding: [] };
}

function concrete(loose: LooseReport, world: World): CallReport {
  const { epochOffset, ageMs, isProbe, ...fields } = loose;
  return {
    ...fields,
    epoch: advance(world.breaker, world.nowMs).automatic.epoch + epochOffset,
    endedAtMs: world.nowMs - ageMs,
    probeId: isProbe ? (world.outstanding[0]?.probeId ?? null) : null,
  };
}

function apply(world: World, step: Command): void {
  switch (step.type) {
    case "observe": {
      const reports = step.reports.map((report) => concrete(report, world));
      world.breaker = observe(world.breaker, reports, POLICY, {
        nowMs: world.nowMs,
        random: step.random,
      });
      const reported = new Set(reports.map(({ probeId }) => probeId));
      world.outstanding = world.outstanding.filter(({ probeId }) => !reported.has(probeId));
      break;
    }
    case "wait":
      world.nowMs += step.ms;
      world.outstanding = world.outstanding.filter(({ expiresAtMs }) => expiresAtMs > world.nowMs);
      break;
    case "probe": {
      const probeId = `probe-${(world.probeCount += 1)}`;
      const granted = requestProbe(world.breaker, probeId, POLICY, world.nowMs);
      if (granted === null) break;
      world.breaker = granted;
      world.outstanding.push({ probeId, expiresAtMs: world.nowMs + POLICY.probeLeaseMs });
      break;
    }
    case "force":
      world.breaker = force(world.breaker, { state: step.state, reason: "test" }, world.nowMs);
      break;
    default:
      step satisfies never;
  }
}

const commands = fc.array(command, { maxLength: 60 });

/** The breaker after any history. */
const anyWorld = commands.map((steps) => {
  const world = newWorld();
  for (const step of steps) apply(world, step);
  return world;
});

const runs = { numRuns: 2_000 };

it("never has two probes under way, whatever happens in between", () => {
  fc.assert(
    fc.property(commands, (steps) => {
      const world = newWorld();
      for (const step of steps) {
        apply(world, step);
        expect(world.outstanding.length).toBeLessThanOrEqual(1);
      }
    }),
    runs,
  );
});

it("takes every step in every state: the epoch never falls, and no number escapes its bounds", () => {
  fc.assert(
    fc.property(commands, (steps) => {
      const world = newWorld();
      for (const step of steps) {
        const { epoch } = world.breaker.automatic;
        apply(world, step);
        const { automatic } = world.breaker;
        const buckets = automatic.state === "closed" ? automatic.window.length : 0;
        const openMs = automatic.state === "open" ? automatic.untilMs - world.nowMs : 0;
        expect(automatic.epoch).toBeGreaterThanOrEqual(epoch);
        expect(buckets).toBeLessThanOrEqual(BUCKET_COUNT);
        expect(openMs).toBeLessThanOrEqual(OPEN_MS_LONGEST);
      }
    }),
    runs,
  );
});

it("takes a batch in any order to the same state", () => {
  const shuffled = fc
    .array(looseReport, { minLength: 1, maxLength: 12 })
    .chain((reports) =>
      fc.tuple(
        fc.constant(reports),
        fc.shuffledSubarray(reports, { minLength: reports.length, maxLength: reports.length }),
      ),
    );
  fc.assert(
    fc.property(anyWorld, shuffled, (world, [reports, others]) => {
      const context = { nowMs: world.nowMs, random: 0.5 };
      const [one, other] = [reports, others].map((batch) =>
        observe(
          world.breaker,
          batch.map((report) => concrete(report, world)),
          POLICY,
          context,
        ),
      );
      expect(other).toEqual(one);
    }),
    runs,
  );
});

it("is not moved by late reports, in any number and order", () => {
  const late = looseReport.map((report) => ({
    ...report,
    epochOffset: -1 - Math.abs(report.epochOffset),
  }));
  fc.assert(
    fc.property(anyWorld, fc.array(late, { maxLength: 20 }), (world, reports) => {
      const before = advance(world.breaker, world.nowMs);
      const after = observe(
        world.breaker,
        reports.map((report) => concrete(report, world)),
        POLICY,
        { nowMs: world.nowMs, random: 0.5 },
      );
      expect(withoutWindow(after)).toEqual(withoutWindow(before));
    }),
    runs,
  );
});

/** Pruning old buckets is no movement. */
function withoutWindow({ automatic }: CircuitBreaker): unknown {
  return { ...automatic, window: null };
}

it("follows the facilitator from any history, late reports of the past notwithstanding", () => {
  const noise = fc.array(looseReport, { maxLength: 3 });
  fc.assert(
    fc.property(anyWorld, fc.constantFrom("healthy", "timeout"), noise, (world, truth, past) => {
      world.breaker = force(world.breaker, { state: "auto", reason: "test" }, world.nowMs);
      // One call a second for the longest time a breaker can be open, a lost probe and a window, twice over.
      const seconds = (2 * (OPEN_MS_LONGEST + POLICY.probeLeaseMs + 60_000)) / 1_000;
      let openSeconds = 0;
      for (let second = 0; second < seconds; second += 1) {
        world.nowMs += 1_000;
        const { automatic } = advance(world.breaker, world.nowMs);
        const late = past.map((report) =>
          concrete({ ...report, epochOffset: -1 - Math.abs(report.epochOffset) }, world),
        );
        const call = concrete(
          {
            signal: truth,
            epochOffset: 0,
            ageMs: 0,
            durationMs: 100,
            isProbe: false,
            retryAfterMs: null,
          },
          world,
        );
        world.breaker = observe(world.breaker, [...late, call], POLICY, {
          nowMs: world.nowMs,
          random: 0.5,
        });
        if (automatic.state === "open") openSeconds += 1;
      }
      const isClosed = world.breaker.automatic.state === "closed";
      expect(truth === "healthy" ? isClosed : openSeconds > 0).toBe(true);
    }),
    { numRuns: 200 },
  );
});

it("survives being stored: a copy by way of JSON goes on exactly like the original", () => {
  fc.assert(
    fc.property(anyWorld, commands, (world, steps) => {
      const text = JSON.stringify(world.breaker);
      const copy: World = {
        ...world,
        breaker: JSON.parse(text),
        outstanding: [...world.outstanding],
      };
      expect(copy.breaker).toEqual(world.breaker);
      for (const step of steps) {
        apply(world, step);
        apply(copy, step);
      }
      expect(copy.breaker).toEqual(world.breaker);
    }),
    { numRuns: 500 },
  );
});
