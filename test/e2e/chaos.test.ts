/** A short storm; `npm run chaos` makes long ones. What it shows and what it does not: docs/simulation.md. */
import { expect, test } from "vitest";
import { runChaos } from "../chaos/run-chaos.ts";

const ROUNDS = 3;
const SEED = 402;

test(
  "killed and cheated again and again, it charges nobody twice and answers everybody once at rest",
  {
    timeout: 360_000,
  },
  async () => {
    const report = await runChaos({ rounds: ROUNDS, seed: SEED, onLine: () => undefined });
    expect(report.violations).toEqual([]);
    // The storm is only worth something if it was one.
    expect(report.workerKills).toBeGreaterThanOrEqual(2);
    expect(report.platformKills).toBeGreaterThanOrEqual(1);
    expect(report.transfers).toBeGreaterThan(report.purchases / 2);
  },
);
