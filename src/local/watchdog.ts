/** Ends a process that no longer answers, or has grown too large. Somebody else starts it again. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const PING_INTERVAL_MS = 250;
const PING_TIMEOUT_MS = 500;
/** One late answer may be a busy machine's; two in a row are a process that is stuck. */
const MISSES_MAX = 2;
/** When this process itself was held up for so long, a ping that timed out says nothing about the other one. */
const OWN_DELAY_MAX_MS = 250;
/** 200 isolates with their code and room to work; a machine of 8 GB keeps going. */
const RESIDENT_BYTES_MAX = 1_536 * 1024 * 1024;
const PAGE_BYTES = 4_096;

export interface WatchedProcess {
  /** Throws `TimeoutError` when there is no answer in time; any other failure means it is just being started. */
  readonly ping: (signal: AbortSignal) => Promise<void>;
  /** Of the process as it runs now; null between two of them. */
  readonly pid: () => number | null;
  /** @param reason what it did, for people */
  readonly onKill: (reason: string) => void;
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

async function watch({ ping, pid, onKill }: WatchedProcess, stop: AbortSignal): Promise<void> {
  let misses = 0;
  while (!stop.aborted) {
    const current = pid();
    misses = (await missesPing(ping)) ? misses + 1 : 0;
    const reason =
      misses >= MISSES_MAX
        ? "does not answer: a script loops in it"
        : residentBytes(current) > RESIDENT_BYTES_MAX
          ? `uses more than ${RESIDENT_BYTES_MAX} bytes`
          : null;
    if (reason !== null && current !== null && !stop.aborted) {
      misses = 0;
      kill(current);
      onKill(reason);
    }
    await delay(PING_INTERVAL_MS, undefined, { signal: stop, ref: false }).catch(() => undefined);
  }
}

/** Whether a ping that had its time went unanswered. */
async function missesPing(ping: WatchedProcess["ping"]): Promise<boolean> {
  const startedAtMs = performance.now();
  try {
    await ping(AbortSignal.timeout(PING_TIMEOUT_MS));
    return false;
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === "TimeoutError";
    const tookMs = performance.now() - startedAtMs;
    return isTimeout && tookMs < PING_TIMEOUT_MS + OWN_DELAY_MAX_MS;
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

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself in between.
  }
}
