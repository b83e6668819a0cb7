/**
 * Which process a pid means. Pids are reused, so one that was written down is acted upon only while the process that
 * has it now started at the same moment and runs the same command.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import * as z from "zod";

export const processIdentitySchema = z.object({
  pid: z.number().int().positive(),
  /** Opaque; differs for every process that ever had this pid. */
  startedAt: z.string().min(1),
  command: z.string(),
});
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

const POLL_INTERVAL_MS = 25;
/** SIGKILL is not instantaneous; a process stuck in the kernel for longer than this will not end at all. */
const KILL_WAIT_MS = 5_000;

/** The process that has this pid now; null when there is none, or only its exit status is left. */
export function identifyProcess(pid: number): ProcessIdentity | null {
  return process.platform === "linux" ? identifyByProc(pid) : identifyByPs(pid);
}

/** Whether the very process that was written down still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  const current = identifyProcess(identity.pid);
  return current?.startedAt === identity.startedAt && current.command === identity.command;
}

/** Signals the very process that was written down; false when it is gone. */
function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isRunning(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if (hasCode(error, "ESRCH")) return false;
    throw error;
  }
}

/**
 * Ends a process: SIGTERM, then SIGKILL after `graceMs`. Does nothing when it is gone or its pid has a new owner.
 *
 * @throws Error when it is still there after SIGKILL.
 */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (!signalProcess(identity, "SIGTERM")) return;
  if (await hasEnded(identity, graceMs)) return;
  signalProcess(identity, "SIGKILL");
  if (await hasEnded(identity, KILL_WAIT_MS)) return;
  throw new Error(`process ${identity.pid} (${identity.command}) survived SIGKILL`);
}

async function hasEnded(identity: ProcessIdentity, withinMs: number): Promise<boolean> {
  const deadlineMs = Date.now() + withinMs;
  while (isRunning(identity)) {
    if (Date.now() >= deadlineMs) return false;
    await delay(POLL_INTERVAL_MS);
  }
  return true;
}

function identifyByProc(pid: number): ProcessIdentity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses and may itself contain both spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, startTicks] = [fields[0], fields[19]];
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    if (state === "Z" || startTicks === undefined) return null;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return { pid, startedAt: `${boot}:${startTicks}`, command };
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return null;
    throw error;
  }
}

function identifyByPs(pid: number): ProcessIdentity | null {
  let line: string;
  try {
    line = execFileSync("ps", ["-o", "stat=,lstart=,command=", "-p", String(pid)], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return null; // ps exits 1 when there is no such process
  }
  const match = /^\s*(\S+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d{4})\s+(.*)$/m.exec(line);
  const [, state, startedAt, command] = match ?? [];
  if (state === undefined || startedAt === undefined || command === undefined) return null;
  return state.startsWith("Z") ? null : { pid, startedAt, command: command.trim() };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
