/** `npm run simulate -- --seeds A..B [--purchases N]`: simulates worlds A to B and says what did not hold in which. */
import { parseArgs } from "node:util";
import { simulate } from "./simulate.ts";

const PURCHASES_DEFAULT = 30;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1..200" },
    purchases: { type: "string", default: String(PURCHASES_DEFAULT) },
  },
});
const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(values.seeds) ?? [];
const purchases = Number(values.purchases);
if (from === undefined || to === undefined || !Number.isSafeInteger(purchases)) {
  console.error("usage: npm run simulate -- --seeds 1..200 [--purchases 30]");
  process.exit(2);
}

let payments = 0;
let failedSeeds = 0;
for (let seed = Number(from); seed <= Number(to); seed += 1) {
  const result = await simulate(seed, purchases);
  payments += result.payments;
  if (result.violations.length === 0) continue;
  failedSeeds += 1;
  console.error(`seed ${seed}:`);
  for (const violation of result.violations) console.error(`  ${violation}`);
}
console.log(`${payments} payments, ${failedSeeds} seeds with violations`);
process.exitCode = failedSeeds === 0 ? 0 : 1;
