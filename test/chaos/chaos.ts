/** `npm run chaos -- [--rounds N] [--seed S]`: a storm on the real platform, and what held. */
import { parseArgs } from "node:util";
import { runChaos } from "./run-chaos.ts";

const ROUNDS_DEFAULT = 20;
const SEED_MAX = 1_000_000;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: String(ROUNDS_DEFAULT) },
    seed: { type: "string", default: String(Math.floor(Math.random() * SEED_MAX)) },
  },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
if (!Number.isSafeInteger(rounds) || !Number.isSafeInteger(seed) || rounds < 1) {
  console.error("usage: npm run chaos -- [--rounds 20] [--seed 1]");
  process.exit(2);
}

console.log(`seed ${seed}, ${rounds} rounds`);
const { faults, violations, ...counts } = await runChaos({
  rounds,
  seed,
  onLine: (line) => console.log(line),
});
console.table(counts);
console.table(faults);
for (const violation of violations) console.error(`did not hold: ${violation}`);
console.log(violations.length === 0 ? "everything held" : `again with --seed ${seed}`);
process.exitCode = violations.length === 0 ? 0 : 1;
