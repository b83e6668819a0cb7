/** Replaces a process that no longer answers, is gone, or has grown too large. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const PING_INTERVAL_MS = 250;
const PING_TIMEOUT_MS = 500;
/** One late answer may be a busy machine's; two in a row are a process that is stuck, if it has run meanwhile. */
const MISSES_MAX = 2;
/** Processor time since the last answer; one that got less was waiting for its turn, as on a machine that stalls. */
const LOOP_CPU_MS = 500;
/** 15 seconds: stuck in whatever way. */
const IDLE_MISSES_MAX = 20;
/** When this process itself was held up for so long, a ping that timed out says nothing about the other one. */
const OWN_DELAY_MAX_MS = 250;
/** 3 seconds in which nothing listens: longer than a crash and the restart that follows it by itself. */
const REFUSALS_MAX = 12;
/** 200 isolates with their code and room to work; a machine of 8 GB keeps going. */
const RESIDENT_BYTES_MAX = 1_536 * 1024 * 1024;
const PAGE_BYTES = 4_096;
/** USER_HZ, in which Linux counts processor time, is 100 on every machine that Node runs on. */
const TICK_MS = 10;

export interface WatchedProcess {
  /** Throws `TimeoutError` when there is no answer in time, anything else when nothing listens. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  /** Of the process as it runs now; null between two of them. */
  readonly pid: () => number | null;
  /** Ends the process and starts another. @param reason what it did, for people */
  readonly replace: (reason: string) => Promise<void>;
}

export interface Watchdog {
  stop(): Promise<void>;
}

export function watchProcess(watched: WatchedProcess): Watchdog {
  const stopped = new AbortController();
  const watching = watch(watched, stopped.signal);
  return {
    stop: () => {
      stopped.abort();
      return watching;
    },
  };
}

async function watch({ ping, pid, replace }: WatchedProcess, stop: AbortSignal): Promise<void> {
  let misses = 0;
  let refusals = 0;
  let answeredAtCpuMs = 0;
  while (!stop.aborted) {
    const answer = await answerTo(ping);
    misses = answer === "late" ? misses + 1 : 0;
    refusals = answer === "refused" ? refusals + 1 : 0;
    const cpuMs = processorMs(pid());
    if (misses === 0) answeredAtCpuMs = cpuMs ?? 0;
    const hasRun = cpuMs === null || cpuMs - answeredAtCpuMs >= LOOP_CPU_MS;
    const isStuck = misses >= (hasRun ? MISSES_MAX : IDLE_MISSES_MAX);
    const reason = reasonToReplace(isStuck, refusals, residentBytes(pid()));
    if (reason !== null && !stop.aborted) {
      misses = 0;
      refusals = 0;
      answeredAtCpuMs = 0;
      await replace(reason);
    }
    await delay(PING_INTERVAL_MS, undefined, { signal: stop, ref: false }).catch(() => undefined);
  }
}

function reasonToReplace(isStuck: boolean, refusals: number, bytes: number): string | null {
  if (isStuck) return "does not answer: a script loops in it";
  if (refusals >= REFUSALS_MAX) return "is gone";
  return bytes > RESIDENT_BYTES_MAX ? `uses more than ${RESIDENT_BYTES_MAX} bytes` : null;
}

/** `unclear`: this process was held up itself. */
async function answerTo(
  ping: WatchedProcess["ping"],
): Promise<"in time" | "late" | "refused" | "unclear"> {
  const startedAtMs = performance.now();
  try {
    await ping(AbortSignal.timeout(PING_TIMEOUT_MS));
    return "in time";
  } catch (error) {
    if (!(error instanceof Error && error.name === "TimeoutError")) return "refused";
    const tookMs = performance.now() - startedAtMs;
    return tookMs < PING_TIMEOUT_MS + OWN_DELAY_MAX_MS ? "late" : "unclear";
  }
}

/** Memory it holds; 0 where this system does not say. */
function residentBytes(pid: number | null): number {
  if (pid === null || process.platform !== "linux") return 0;
  try {
    const pages = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1];
    return Number(pages ?? 0) * PAGE_BYTES;
  } catch {
    return 0;
  }
}

/** Processor time that it has used, all threads together; null where this system does not say. */
function processorMs(pid: number | null): number | null {
  if (pid === null || process.platform !== "linux") return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the program's name in parentheses; user and system time are the 14th and the 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return null;
  }
}
