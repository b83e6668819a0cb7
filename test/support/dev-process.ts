/** `claw dev` as users run it: a process of its own, with what it prints and how it ends. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");
const START_TIMEOUT_MS = 90_000;
const END_TIMEOUT_MS = 60_000;
const LOOKS_MAX = 50;
const LOOK_INTERVAL_MS = 100;

export interface DevProcess {
  /** Also the id of its process group, to which its Workers runtime belongs. */
  readonly pid: number;
  /** From the ready line. */
  readonly url: string;
  /** All it has written so far. */
  output(): string;
  /** Sends a signal to the Node process alone, or to the whole group. */
  signal(signal: NodeJS.Signals, target?: "process" | "group"): void;
  /** Resolves with the exit code, or the signal that ended it. */
  ended(): Promise<number | NodeJS.Signals>;
}

export interface DevExit {
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

interface ClawOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What stdin has; nothing when left out. */
  readonly input?: string;
}

/** Starts `claw dev` and resolves at its ready line. @throws Error with its output when it ends without one. */
export async function startDev(flags: readonly string[]): Promise<DevProcess> {
  const { child, output } = spawnClaw(["dev", ...flags]);
  const url = await Promise.race([readyUrl(child, output), rejectAtEnd(child, output)]);
  const { pid } = child;
  if (pid === undefined) throw new Error("a process that said ready has no id");
  return {
    pid,
    url,
    output: () => output.stdout + output.stderr,
    signal: (signal, target = "process") => process.kill(target === "group" ? -pid : pid, signal),
    ended: () => endOf(child),
  };
}

/** Runs a `claw` command to its end. */
export async function runClaw(
  args: readonly string[],
  options: ClawOptions = {},
): Promise<DevExit> {
  const { child, output } = spawnClaw(args, options);
  const code = await endOf(child);
  return { code, ...output };
}

/** Whether any process of the group is left. */
export function isGroupAlive(groupId: number): boolean {
  try {
    return process.kill(-groupId, 0);
  } catch {
    return false;
  }
}

/** Whether a process of the group is left although it had a moment to end: until it is reaped, it is there. */
export async function isGroupLeft(groupId: number): Promise<boolean> {
  for (let look = 0; look < LOOKS_MAX && isGroupAlive(groupId); look += 1) {
    await delay(LOOK_INTERVAL_MS);
  }
  return isGroupAlive(groupId);
}

/** Kills what is left of a group; for clean-up after a test that failed. */
export function killGroup(groupId: number | undefined): void {
  if (groupId !== undefined && isGroupAlive(groupId)) process.kill(-groupId, "SIGKILL");
}

interface Output {
  stdout: string;
  stderr: string;
}

function spawnClaw(
  args: readonly string[],
  options: ClawOptions = {},
): { child: ChildProcess; output: Output } {
  const child = spawn(process.execPath, [MAIN, ...args], {
    // A group of its own: a test can kill it whole, and nothing it is sent reaches the test runner.
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
    cwd: options.cwd ?? process.cwd(),
    env: { ...process.env, ...options.env },
  });
  // A command that ends without reading closes the pipe: that is no error of ours.
  child.stdin.on("error", () => undefined).end(options.input ?? "");
  const output: Output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  return { child, output };
}

function readyUrl(child: ChildProcess, output: Output): Promise<string> {
  return new Promise((found, reject) => {
    const timer = setTimeout(() => {
      killGroup(child.pid);
      reject(new Error(`claw dev was not ready within ${START_TIMEOUT_MS} ms\n${output.stderr}`));
    }, START_TIMEOUT_MS);
    const look = () => {
      const url = /^ready (http:\S+)$/m.exec(output.stdout)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      found(url);
    };
    child.stdout?.on("data", look);
    child.once("close", () => clearTimeout(timer));
  });
}

async function rejectAtEnd(child: ChildProcess, output: Output): Promise<never> {
  await once(child, "close");
  throw new Error(`claw dev ended before it was ready\n${output.stdout}${output.stderr}`);
}

async function endOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  if (child.exitCode === null && child.signalCode === null) {
    const timer = setTimeout(() => killGroup(child.pid), END_TIMEOUT_MS);
    await once(child, "close");
    clearTimeout(timer);
  }
  return child.exitCode ?? child.signalCode ?? "SIGKILL";
}
