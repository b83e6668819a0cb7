/**
 * Runs the Worker in workerd on this machine, through Miniflare's API: the same bundle, bindings and storage engine as
 * on the network, with everything kept in a state directory.
 */
import { join } from "node:path";
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as miniflareWorkerOptions } from "wrangler";
import { parseConfig } from "../config.ts";
import { PROJECT_ROOT, bundleWorker } from "./bundle.ts";
import { applyMigrations } from "./migrate.ts";
import { loadSecrets } from "./secrets.ts";
import { listenForSpawns } from "./spawned-children.ts";
import type { StateLock } from "./state-lock.ts";

/** Part of every Durable Object's identity: another name would start with empty ledgers. */
const WORKER_NAME = "claw402";
const HOST = "127.0.0.1";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Milliseconds; `config.ts` has the defaults and bounds. */
export interface FacilitatorTimeouts {
  readonly verifyMs?: number | undefined;
  readonly settleMs?: number | undefined;
  readonly supportedMs?: number | undefined;
}

export interface FacilitatorSource {
  readonly id: string;
  readonly url: string;
  readonly timeouts?: FacilitatorTimeouts | undefined;
}

export interface NetworkSource {
  readonly caip2: string;
  /** null: no chain to ask, so settlements are never confirmed. */
  readonly rpcUrl: string | null;
  readonly confirmations: number;
}

export interface PlatformOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly stateDir: string;
  /** Taken on `stateDir`; the runtime's process is written down in it. */
  readonly lock: StateLock;
  /** The one kept in the state directory when left out. */
  readonly operatorToken?: string | undefined;
  /** In order of preference. */
  readonly facilitators: readonly FacilitatorSource[];
  readonly network: NetworkSource;
  /** A line that the Worker or the runtime logged. */
  readonly onLog?: (line: string) => void;
}

export interface Platform {
  readonly url: string;
  readonly operatorToken: string;
  /** Process id of workerd; changes when it crashed and was started again, null in between. */
  readonly workerdPid: number | null;
  /** Resolves when workerd has ended. State on disk is complete at any moment, so nothing is drained. */
  stop(): Promise<void>;
}

/** The port cannot be listened on. */
export class PortInUseError extends Error {
  override readonly name = "PortInUseError";
  readonly port: number;
  constructor(port: number) {
    super(`port ${port} is in use`);
    this.port = port;
  }
}

/**
 * Bundles and starts the Worker, brings its database up to date and resolves when it answers.
 *
 * @throws ConfigError when the options make no valid configuration; PortInUseError.
 */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const variables = workerVariables(options);
  const bundlePath = await bundleWorker({ outDir: join(options.stateDir, "bundle") });
  const miniflare = startMiniflare(options, variables, bundlePath);
  try {
    await miniflare.ready;
    await applyMigrations(
      await miniflare.getD1Database("DB"),
      join(PROJECT_ROOT, "src/tenant/migrations"),
    );
    const url = (await miniflare.unsafeGetDirectURL()).origin;
    await expectHealthy(url);
    return {
      url,
      operatorToken: variables.OPERATOR_TOKEN,
      get workerdPid() {
        return options.lock.childPid("workerd");
      },
      stop: () => miniflare.dispose(),
    };
  } catch (error) {
    await miniflare.dispose().catch(() => undefined);
    throw isAddressInUse(error) ? new PortInUseError(options.port) : error;
  }
}

function workerVariables(options: PlatformOptions) {
  const secrets = loadSecrets(options.stateDir);
  const { rpcUrl, ...network } = options.network;
  const variables = {
    ENVIRONMENT: "local",
    BASE_DOMAIN: "localhost",
    FACILITATORS: JSON.stringify(
      options.facilitators.map(({ id, url, timeouts }) => ({ id, url, timeouts })),
    ),
    NETWORKS: JSON.stringify([rpcUrl === null ? network : { ...network, rpcUrl }]),
    OPERATOR_TOKEN: options.operatorToken ?? secrets.operatorToken,
    QUOTE_SECRET: secrets.quoteSecret,
    DEPOSIT_SEED: secrets.depositSeed,
  };
  parseConfig(variables);
  return variables;
}

function startMiniflare(
  options: PlatformOptions,
  variables: Record<string, string>,
  bundlePath: string,
): Miniflare {
  const { workerOptions } = miniflareWorkerOptions(join(PROJECT_ROOT, "wrangler.toml"), "local");
  const miniflareOptions = convertV4MiniflareOptions({
    host: HOST,
    // Miniflare's own entry adds a proxy in front of the Worker that costs three quarters of the throughput. Clients
    // get the direct socket instead, and the entry, which Miniflare cannot do without, a port that nobody is told.
    port: 0,
    cf: false,
    logRequests: false,
    telemetry: { enabled: false },
    resourcePersistencePath: join(options.stateDir, "worker"),
    log: new LineLog(options.onLog),
    handleStructuredLogs: ({ message }) => options.onLog?.(message),
    workers: [
      {
        ...workerOptions,
        name: WORKER_NAME,
        // Assigned because the type of what wrangler read from its file is unknown.
        bindings: Object.assign({}, workerOptions.bindings, variables),
        modulesRoot: join(options.stateDir, "bundle"),
        modules: [{ type: "ESModule", path: bundlePath }],
        unsafeDirectSockets: [{ host: HOST, port: options.port }],
      },
    ],
  });
  return withoutSignalListeners(() =>
    listenForSpawns(
      (pid, file) => {
        if (file.endsWith("workerd")) options.lock.setChild("workerd", pid);
      },
      () => new Miniflare(miniflareOptions),
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

async function expectHealthy(url: string): Promise<void> {
  const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) {
    throw new Error(`the platform does not serve: ${response.status} ${await response.text()}`);
  }
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_ADDRESS_IN_USE";
}
