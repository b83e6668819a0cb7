/**
 * Runs the Worker in workerd on this machine, through Miniflare's API: the same bundle, bindings and storage engine as
 * on the network, with everything kept in a state directory.
 */
import { join } from "node:path";
import { CorePaths, type Miniflare, type V4WorkerOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as miniflareWorkerOptions } from "wrangler";
import { parseConfig } from "../config.ts";
import { PROJECT_ROOT, bundleWorker } from "./bundle.ts";
import { applyMigrations } from "./migrate.ts";
import { hashOperatorToken } from "../tenant/operators.ts";
import { type LocalScriptHost, startScriptHost } from "./script-host.ts";
import { publicInternet } from "./public-internet.ts";
import { type PlatformSecrets, loadSecrets } from "./secrets.ts";
import { signerWorker } from "./signer.ts";
import type { StateLock } from "./state-lock.ts";
import { HOST, startRuntime } from "./workers-runtime.ts";

/** Part of every Durable Object's identity: another name would start with empty ledgers. */
const WORKER_NAME = "claw402";

/** As often as on the network at most; there, wrangler.toml says when. */
const SCHEDULE_MS = 60_000;

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
  /** URLs that alerts are sent to. */
  readonly alertWebhooks?: readonly string[] | undefined;
  /** Further variables and secrets of the Worker; they go over what the other options make of them. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  /** A line that the Worker or the runtime logged. */
  readonly onLog?: (line: string) => void;
}

export interface Platform {
  readonly url: string;
  readonly operatorToken: string;
  /** Signs what is sent to the webhooks. */
  readonly alertWebhookSecret: string;
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
  const secrets = loadSecrets(options.stateDir);
  const operatorToken = options.operatorToken ?? secrets.operatorToken;
  const variables = await workerVariables(options, secrets, operatorToken);
  const bundlePath = await bundleWorker({ outDir: join(options.stateDir, "bundle") });
  const signer = await signerWorker({
    outDir: join(options.stateDir, "bundle/signer"),
    variables: { NETWORKS: variables.NETWORKS, DEPOSIT_SEED: secrets.depositSeed },
  });
  const scriptHost = await startScriptHost({
    bundlePath,
    lock: options.lock,
    variables: { BASE_DOMAIN: variables.BASE_DOMAIN, PLATFORM_HOSTS: "" },
    onLog: options.onLog,
  });
  const miniflare = startMiniflare(options, variables, bundlePath, signer, scriptHost);
  try {
    await miniflare.ready;
    await applyMigrations(
      await miniflare.getD1Database("DB"),
      join(PROJECT_ROOT, "src/tenant/migrations"),
    );
    const url = (await miniflare.unsafeGetDirectURL()).origin;
    await expectHealthy(url);
    const schedule = setInterval(() => void runScheduled(miniflare, options.onLog), SCHEDULE_MS);
    return {
      url,
      operatorToken,
      alertWebhookSecret: variables.ALERT_WEBHOOK_SECRET,
      get workerdPid() {
        return options.lock.childPid("workerd");
      },
      stop: async () => {
        clearInterval(schedule);
        await miniflare.dispose();
        await scriptHost.stop();
      },
    };
  } catch (error) {
    await miniflare.dispose().catch(() => undefined);
    await scriptHost.stop().catch(() => undefined);
    throw isAddressInUse(error) ? new PortInUseError(options.port) : error;
  }
}

async function workerVariables(
  options: PlatformOptions,
  secrets: PlatformSecrets,
  operatorToken: string,
) {
  const { rpcUrl, ...network } = options.network;
  const variables = {
    ENVIRONMENT: "local",
    BASE_DOMAIN: "localhost",
    FACILITATORS: JSON.stringify(
      options.facilitators.map(({ id, url, timeouts }) => ({ id, url, timeouts })),
    ),
    NETWORKS: JSON.stringify([rpcUrl === null ? network : { ...network, rpcUrl }]),
    OPERATORS: JSON.stringify([
      { name: "local", tokenHash: await hashOperatorToken(operatorToken) },
    ]),
    QUOTE_SECRET: secrets.quoteSecret,
    PLATFORM_KEYS: JSON.stringify([{ id: "local", key: secrets.platformKey }]),
    ALERT_WEBHOOKS: JSON.stringify(
      (options.alertWebhooks ?? []).map((url, index) => ({
        id: `webhook-${index + 1}`,
        url,
        secret: "ALERT_WEBHOOK_SECRET",
      })),
    ),
    ALERT_WEBHOOK_SECRET: secrets.alertWebhookSecret,
    ...options.variables,
  };
  parseConfig(variables);
  return variables;
}

function startMiniflare(
  options: PlatformOptions,
  variables: Record<string, string>,
  bundlePath: string,
  signer: V4WorkerOptions,
  scriptHost: LocalScriptHost,
): Miniflare {
  const { workerOptions } = miniflareWorkerOptions(join(PROJECT_ROOT, "wrangler.toml"), "local");
  const process = { role: "workerd", lock: options.lock, onLog: options.onLog };
  return startRuntime(process, {
    unsafeTriggerHandlers: true,
    resourcePersistencePath: join(options.stateDir, "worker"),
    workers: [
      {
        ...workerOptions,
        name: WORKER_NAME,
        // Assigned because the type of what wrangler read from its file is unknown.
        bindings: Object.assign({}, workerOptions.bindings, variables, {
          SCRIPT_HOST_TOKEN: scriptHost.token,
        }),
        serviceBindings: Object.assign({}, workerOptions.serviceBindings, {
          SCRIPT_HOST: { external: { address: scriptHost.address, http: {} } },
          INTERNET: publicInternet,
        }),
        modulesRoot: join(options.stateDir, "bundle"),
        modules: [{ type: "ESModule", path: bundlePath }],
        unsafeDirectSockets: [{ host: HOST, port: options.port }],
      },
      signer,
    ],
  });
}

/** What a cron trigger does on the network: Miniflare knows of triggers but pulls none. */
async function runScheduled(
  miniflare: Miniflare,
  onLog: ((line: string) => void) | undefined,
): Promise<void> {
  try {
    const response = await miniflare.dispatchFetch(`http://worker${CorePaths.SCHEDULED}`);
    if (!response.ok) throw new Error(await response.text());
  } catch (error) {
    onLog?.(`scheduled run failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function expectHealthy(url: string): Promise<void> {
  const response = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) {
    throw new Error(`the platform does not serve: ${response.status} ${await response.text()}`);
  }
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ERR_ADDRESS_IN_USE";
}
