/**
 * `npm run bench [-- --quick]`: the gateway beside `@x402/hono` in one workerd (docs/performance.md). Ratios only mean
 * something within one run: both are measured in turns, on the same machine, against the same facilitator.
 */
import { cpus, tmpdir } from "node:os";
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Plan, FULL, QUICK } from "./plan.ts";
import { type Medium, measureMedium } from "./measure-medium.ts";
import { signPayments } from "./payments.ts";
import { printMachine, printMedium } from "./report.ts";
import { startFacilitatorProcess } from "./facilitator-process.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
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

const facilitator = await startFacilitatorProcess();
try {
  progress(`signing ${plan.payments} payments`);
  const payloads = await signPayments(plan.payments);
  printMachine(cpus(), values.quick);
  for (const medium of media) {
    printMedium(await measureMedium(medium, plan, payloads, facilitator, progress));
  }
} finally {
  facilitator.stop();
}
