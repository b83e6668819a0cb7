/** `claw golden`, run as a user runs it: it passes, and whatever happens to it, nothing of it is left. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as z from "zod";
import { isRunning, processIdentitySchema } from "../../src/local/process-identity.ts";
import type { ProcessIdentity } from "../../src/local/process-identity.ts";
import { isGroupLeft, killGroup } from "../support/dev-process.ts";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");

const reportLineSchema = z.object({
  step: z.number().optional(),
  title: z.string().optional(),
  values: z.record(z.string(), z.string()).default({}),
  passed: z.boolean().optional(),
  elapsedMs: z.number().optional(),
});
type ReportLine = z.infer<typeof reportLineSchema>;

const recordSchema = z.object({ children: z.record(z.string(), processIdentitySchema) });

interface GoldenRun {
  readonly code: number | null;
  readonly lines: ReportLine[];
  readonly stderr: string;
}

/** The command puts everything below this directory. */
let temporary: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "claw-golden-test-"));
});

afterEach(async () => {
  await rm(temporary, { recursive: true, force: true });
});

/** Runs `claw golden --json`; `onStep` may interfere after a step. */
async function runGolden(
  onStep: (line: ReportLine, pid: number) => Promise<void> = async () => {},
): Promise<GoldenRun> {
  const child = spawn(process.execPath, [MAIN, "golden", "--json"], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: temporary },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error("the command did not start");
  const lines: ReportLine[] = [];
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const exit = once(child, "exit");
  for await (const text of createInterface({ input: child.stdout })) {
    const line = reportLineSchema.parse(JSON.parse(text));
    lines.push(line);
    await onStep(line, pid);
  }
  await exit;
  const isLeft = await isGroupLeft(pid);
  killGroup(pid);
  expect(isLeft).toBe(false);
  expect(await readdir(temporary)).toEqual([]);
  return { code: child.exitCode, lines, stderr };
}

async function childrenOfRun(): Promise<ProcessIdentity[]> {
  const [directory] = await readdir(temporary);
  const path = join(temporary, String(directory), "state", "processes.json");
  return Object.values(recordSchema.parse(JSON.parse(await readFile(path, "utf8"))).children);
}

test("passes in under a minute, with real values at every step", async () => {
  const { code, lines, stderr } = await runGolden();
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(lines.map(({ title, passed }) => title ?? passed)).toEqual([
    "Start the platform",
    "Create a tenant",
    "Upload a CSV file",
    "Deploy",
    "Call without paying",
    "Pay with @x402/fetch",
    "Send the same payment again",
    "Read the receipt",
    "Read the balance",
    "Pay out",
    "Look at the creator's wallet on the chain",
    true,
  ]);
  const paid = lines.find(({ title }) => title === "Pay with @x402/fetch");
  const again = lines.find(({ title }) => title === "Send the same payment again");
  const wallet = lines.at(-2);
  expect(paid?.values["transaction"]).toMatch(/^0x[0-9a-f]{64}$/);
  expect(again?.values["again sha256"]).toBe(again?.values["first sha256"]);
  expect(wallet?.values).toMatchObject({ before: "$0", after: "$0.009" });
  expect(lines.at(-1)?.elapsedMs).toBeLessThan(60_000);
});

test("ends its world and its files when it is interrupted midway", async () => {
  let children: ProcessIdentity[] = [];
  const { code, stderr } = await runGolden(async ({ step }, pid) => {
    if (step !== 4) return;
    children = await childrenOfRun();
    process.kill(pid, "SIGINT");
  });
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { message: "interrupted by SIGINT" } });
  expect(children).toHaveLength(3);
  expect(children.filter(isRunning)).toEqual([]);
});

test("fails with a reason, and leaves nothing, when the chain dies under it", async () => {
  let children: ProcessIdentity[] = [];
  const { code, lines, stderr } = await runGolden(async ({ step, values }) => {
    if (step !== 1) return;
    children = await childrenOfRun();
    const chain = children.find(({ command }) => command.includes("anvil"));
    if (chain === undefined) throw new Error(`no chain among ${JSON.stringify(values)}`);
    process.kill(chain.pid, "SIGKILL");
  });
  expect(code).toBe(1);
  expect(lines.some(({ passed }) => passed)).toBe(false);
  expect(stderr).toMatch(/"message":"[^"]+"/);
  expect(children).toHaveLength(3);
  expect(children.filter(isRunning)).toEqual([]);
});
