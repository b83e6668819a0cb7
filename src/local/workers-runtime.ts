/** A Workers runtime as a child of this process: written down so that the next start can end what a killed one left. */
import {
  Log,
  LogLevel,
  Miniflare,
  type V4MiniflareOptions,
  convertV4MiniflareOptions,
} from "miniflare";
import { listenForSpawns } from "./spawned-children.ts";
import type { StateLock } from "./state-lock.ts";

/** Where runtimes listen: nothing of a local platform is reachable from other machines. */
export const HOST = "127.0.0.1";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface RuntimeProcess {
  /** Under which its process is written down. */
  readonly role: string;
  readonly lock: StateLock;
  /** A line that it logged. */
  readonly onLog: ((line: string) => void) | undefined;
}

/** Starts workerd, which Miniflare starts again whenever it ends. */
export function startRuntime(
  { role, lock, onLog }: RuntimeProcess,
  options: V4MiniflareOptions,
): Miniflare {
  const converted = convertV4MiniflareOptions({
    host: HOST,
    // Miniflare's own entry adds a proxy in front of the Worker that costs three quarters of the throughput. Clients
    // get the direct socket instead, and the entry, which Miniflare cannot do without, a port that nobody is told.
    port: 0,
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    log: new LineLog(onLog),
    handleStructuredLogs: ({ message }) => onLog?.(message),
    ...options,
  });
  return withoutSignalListeners(() =>
    listenForSpawns(
      (pid, file) => {
        if (file.endsWith("workerd")) lock.setChild(role, pid);
      },
      () => new Miniflare(converted),
    ),
  );
}

/**
 * Miniflare exits the process on a signal, which would cut short the orderly stop of the chain. Its `exit` listener
 * stays: whatever ends this process, workerd ends with it.
 */
function withoutSignalListeners<Result>(run: () => Result): Result {
  const before = SIGNALS.map((signal) => new Set(process.listeners(signal)));
  const result = run();
  SIGNALS.forEach((signal, index) => {
    for (const listener of process.listeners(signal)) {
      if (before[index]?.has(listener) === false) process.removeListener(signal, listener);
    }
  });
  return result;
}

/** Hands Miniflare's own messages (a crash of the runtime, for example) on as lines. */
class LineLog extends Log {
  readonly #onLine: ((line: string) => void) | undefined;
  constructor(onLine: ((line: string) => void) | undefined) {
    super(LogLevel.WARN);
    this.#onLine = onLine;
  }
  protected override log(message: string): void {
    this.#onLine?.(message);
  }
}
