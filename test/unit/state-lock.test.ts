/** The lock of a state directory, with real processes: a recorded pid is only as good as what is done with it. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { identifyProcess, isRunning } from "../../src/local/process-identity.ts";
import { StateInUseError, lockState } from "../../src/local/state-lock.ts";

/** For a signal to arrive. */
const WITHIN = { timeout: 20_000, interval: 25 };
const STATE_LOCK = resolve(import.meta.dirname, "../../src/local/state-lock.ts");

let stateDir: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "claw-lock-"));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(stateDir, { recursive: true, force: true });
});

test("refuses a directory whose owner lives, and names its process id", () => {
  const lock = lockState(stateDir);
  const refusal = refusalOf(() => lockState(stateDir));
  expect(refusal).toMatchObject({ ownerPid: process.pid, stateDir });
  lock.release();
});

test("gives the directory to the next one after release", () => {
  lockState(stateDir).release();
  const second = lockState(stateDir);
  expect(second.childPid("workerd")).toBeNull();
  second.release();
});

test("refuses a directory held by another process, until that process is killed", async () => {
  const owner = await startOwner("");
  expect(refusalOf(() => lockState(stateDir))).toMatchObject({ ownerPid: owner.pid });
  owner.kill("SIGKILL");
  await once(owner, "exit");
  lockState(stateDir).release();
});

test("lets exactly one of many that start together have the directory", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 6 }, () =>
      startOwner("").then(
        () => "owner",
        () => "refused",
      ),
    ),
  );
  expect(outcomes.toSorted()).toEqual(["owner", ...Array(5).fill("refused")]);
});

test("keeps an orphan on record until it is ended, however many owners come and go", async () => {
  const orphan = await startSleeper();
  for (const script of [`lock.setChild("workerd", ${orphan.pid});`, ""]) {
    const owner = await startOwner(script);
    owner.kill("SIGKILL");
    await once(owner, "exit");
  }
  const lock = lockState(stateDir);
  expect(await lock.endOrphan("workerd")).toBe(true);
  lock.release();
});

test("ends the child that a killed owner left running", async () => {
  const orphan = await startSleeper();
  const owner = await startOwner(`lock.setChild("workerd", ${orphan.pid});`);
  owner.kill("SIGKILL");
  await once(owner, "exit");

  const lock = lockState(stateDir);
  expect(await lock.endOrphan("workerd")).toBe(true);
  expect(await lock.endOrphan("workerd")).toBe(false);
  await vi.waitFor(() => expect(orphan.signalCode).toBe("SIGTERM"), WITHIN);
  lock.release();
});

test("kills an orphan that ignores SIGTERM", async () => {
  const orphan = await startSleeper(`process.on("SIGTERM", () => {});`);
  const owner = await startOwner(`lock.setChild("chain", ${orphan.pid});`);
  owner.kill("SIGKILL");
  await once(owner, "exit");

  const lock = lockState(stateDir);
  expect(await lock.endOrphan("chain", 100)).toBe(true);
  await vi.waitFor(() => expect(orphan.signalCode).toBe("SIGKILL"), WITHIN);
  lock.release();
});

test("leaves a process alone that only has the pid of a former child", async () => {
  const bystander = await startSleeper();
  const owner = identifyProcess(process.pid);
  const recycled = { ...identifyProcess(pidOf(bystander)), startedAt: "earlier" };
  writeFileSync(
    join(stateDir, "processes.json"),
    JSON.stringify({ owner, children: { workerd: recycled } }),
  );

  const lock = lockState(stateDir);
  expect(lock.childPid("workerd")).toBeNull();
  expect(await lock.endOrphan("workerd")).toBe(false);
  expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
  lock.release();
});

test("takes a directory whose record is damaged", () => {
  writeFileSync(join(stateDir, "processes.json"), "{");
  const lock = lockState(stateDir);
  expect(lock.childPid("workerd")).toBeNull();
  lock.release();
});

test("keeps only the newest process of a role", async () => {
  const [first, second] = [await startSleeper(), await startSleeper()];
  const lock = lockState(stateDir);
  lock.setChild("workerd", pidOf(first));
  lock.setChild("workerd", pidOf(second));
  expect(lock.childPid("workerd")).toBe(second.pid);
  const record = JSON.parse(readFileSync(join(stateDir, "processes.json"), "utf8"));
  expect(Object.keys(record.children)).toEqual(["workerd"]);
  expect(record.children.workerd.pid).toBe(second.pid);
  lock.release();
});

test("tells a process from a later one by its start time", async () => {
  const sleeper = await startSleeper();
  const identity = identifyProcess(pidOf(sleeper));
  if (identity === null) throw new Error("a running process is not found");
  expect(isRunning(identity)).toBe(true);
  expect(isRunning({ ...identity, startedAt: "earlier" })).toBe(false);
  sleeper.kill("SIGKILL");
  await once(sleeper, "exit");
  expect(isRunning(identity)).toBe(false);
  expect(identifyProcess(identity.pid)).toBeNull();
});

function refusalOf(run: () => unknown): StateInUseError {
  try {
    run();
  } catch (error) {
    if (error instanceof StateInUseError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

/** A process that locks the directory, runs `script` with the `lock` and then stays. */
async function startOwner(script: string): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `import { lockState } from ${JSON.stringify(STATE_LOCK)};
       const lock = lockState(${JSON.stringify(stateDir)});
       ${script}
       console.log("locked");
       setInterval(() => {}, 1000);`,
    ],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  children.push(child);
  await saysSomething(child);
  return child;
}

async function startSleeper(script = ""): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    ["--eval", `${script} console.log("up"); setInterval(() => {}, 1000);`],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  children.push(child);
  await saysSomething(child);
  return child;
}

async function saysSomething(child: ChildProcess): Promise<void> {
  await new Promise<void>((resolveReady, reject) => {
    child.stdout?.once("data", () => resolveReady());
    child.once("exit", () => reject(new Error("ended before it was ready")));
  });
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error("the child did not start");
  return child.pid;
}
