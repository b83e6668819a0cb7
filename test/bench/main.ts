/**
 * `npm run bench [-- --quick] [-- --only facilitators|scripts]`: the gateway beside `@x402/hono` in one workerd, and tenants'
 * scripts beside code that is called directly (docs/performance.md). Ratios only mean something within one run: both are
 * measured in turns, on the same machine, against the same facilitator.
 */
import { cpus, tmpdir } from "node:os";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Plan, FULL, QUICK } from "./plan.ts";
import { measureFacilitators } from "./measure-facilitators.ts";
import { type Medium, measureMedium } from "./measure-medium.ts";
import { measureScripts } from "./measure-scripts.ts";
import { signPayments } from "./payments.ts";
import { printFacilitators, printMachine, printMedium, printScripts } from "./report.ts";
import { startFacilitatorProcess } from "./facilitator-process.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    /** `facilitators`: two of them, one of which hangs. `scripts`: tenants' code. A minute each. */
    only: { type: "string" },
  },
});
const { only } = values;
if (only !== undefined && only !== "facilitators" && only !== "scripts") {
  throw new Error(`--only takes facilitators or scripts, not ${only}`);
}
const plan: Plan = values.quick ? QUICK : FULL;

const MEMORY = "/dev/shm";

/** In memory commits cost little, and the code shows; on disk they cost what they cost. */
const disk: Medium = { name: "disk", directory: tmpdir(), fillsLedgers: !existsSync(MEMORY) };
const media: readonly Medium[] = disk.fillsLedgers
  ? [disk]
  : [disk, { name: "tmpfs", directory: MEMORY, fillsLedgers: true }];

const startedAt = performance.now();
const progress = (line: string): void => {
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`);
};

printMachine(cpus(), values.quick);
if (only !== "scripts") await measurePayments();
if (only !== "facilitators") printScripts(await measureScripts(progress));

async function measurePayments(): Promise<void> {
  const facilitator = await startFacilitatorProcess();
  try {
    progress(`signing ${plan.payments} payments`);
    const payloads = await signPayments(plan.payments);
    for (const medium of only === undefined ? media : []) {
      printMedium(await measureMedium(medium, plan, payloads, facilitator, progress));
    }
    printFacilitators(await measureFacilitators(payloads, progress));
  } finally {
    facilitator.stop();
  }
}
