/** Both servers in one workerd, each on a socket of its own, with what they store in one directory. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import {
  Log,
  LogLevel,
  Miniflare,
  type V4WorkerOptions,
  convertV4MiniflareOptions,
} from "miniflare";
import { unstable_getMiniflareWorkerOptions as miniflareWorkerOptions } from "wrangler";
import * as z from "zod";
import type { Route, TenantSnapshot } from "../../src/contracts/snapshot.ts";
import { PROJECT_ROOT, bundleWorker } from "../../src/local/bundle.ts";
import { applyMigrations } from "../../src/local/migrate.ts";
import { type TenantId, tenantIdSchema } from "../../src/tenant/tenant-id.ts";
import { publishSnapshot } from "../../src/tenant/snapshots.ts";
import type { LedgerCounters } from "./bench-ledger.ts";
import { routeOf } from "./bench-route.ts";
import { DELAYED_PATH, NETWORK, PAY_TO, ROUTE_PATH } from "./offer.ts";

const HOST = "127.0.0.1";
const GATEWAY = "claw402";
const REFERENCE = "x402-hono";
/** The gateway's, from wrangler.toml. */
const COMPATIBILITY_DATE = "2026-10-01";

/** Where a client of the benchmark sends its requests. */
export interface Target {
  readonly name: string;
  readonly port: number;
  readonly path: string;
}

export interface BenchRuntime {
  readonly reference: Target;
  /** A tenant's item; the tenant's ledger is new and empty. */
  gateway(tenant: string): Promise<Target>;
  /** Asks the tenant's ledger to do something with `count` payments. */
  ledger(
    tenant: string,
    what: "fill" | "claims" | "counters",
    parameters?: Readonly<Record<string, number>>,
  ): Promise<LedgerCounters>;
  /** The ledger's write-ahead log. */
  walPath(objectId: string): string;
  stop(): Promise<void>;
}

const countersSchema = z.object({
  objectId: z.string(),
  requests: z.number(),
  background: z.number(),
  rowsWritten: z.number(),
});

export interface RuntimeOptions {
  readonly inspectorPort?: number;
  /** A second facilitator, for both servers. */
  readonly fallbackUrl?: string;
}

/** @param parentDir decides the medium: a directory on disk or in memory */
export async function startRuntime(
  parentDir: string,
  facilitatorUrl: string,
  options: RuntimeOptions = {},
): Promise<BenchRuntime> {
  const stateDir = await mkdtemp(join(parentDir, "claw-bench-"));
  const removeState = () => {
    rmSync(stateDir, { recursive: true, force: true });
  };
  // Miniflare ends the process at Ctrl-C, and a filled ledger is over a gigabyte.
  process.once("exit", removeState);
  const miniflare = await startMiniflare(stateDir, facilitatorUrl, options);
  await miniflare.ready;
  const migrations = join(PROJECT_ROOT, "src/tenant/migrations");
  await applyMigrations(await miniflare.getD1Database("DB", GATEWAY), migrations);
  const [gatewayPort, referencePort] = await Promise.all(
    [GATEWAY, REFERENCE].map(async (name) =>
      Number((await miniflare.unsafeGetDirectURL(name)).port),
    ),
  );
  if (gatewayPort === undefined || referencePort === undefined) throw new Error("no sockets");
  return {
    reference: { name: "@x402/hono", port: referencePort, path: ROUTE_PATH },
    async gateway(tenant) {
      const tenantId = tenantIdSchema.parse(tenant);
      const { SNAPSHOTS } = await miniflare.getBindings<Pick<Env, "SNAPSHOTS">>(GATEWAY);
      await publishSnapshot({ SNAPSHOTS }, snapshotOf(tenantId), Date.now());
      return { name: "402claw", port: gatewayPort, path: `/t/${tenantId}${ROUTE_PATH}` };
    },
    async ledger(tenant, what, parameters = {}) {
      const query = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
      const url = `http://${HOST}:${gatewayPort}/bench/${tenant}/${what}?${query.join("&")}`;
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${what}: ${response.status} ${await response.text()}`);
      return countersSchema.parse(await response.json());
    },
    walPath: (objectId) =>
      join(stateDir, "worker/do", `${GATEWAY}-SettlementLedger`, `${objectId}.sqlite-wal`),
    async stop() {
      await miniflare.dispose();
      removeState();
      process.removeListener("exit", removeState);
    },
  };
}

async function startMiniflare(
  stateDir: string,
  facilitatorUrl: string,
  { inspectorPort = 0, fallbackUrl }: RuntimeOptions,
): Promise<Miniflare> {
  const facilitatorUrls = [facilitatorUrl, ...(fallbackUrl === undefined ? [] : [fallbackUrl])];
  const { workerOptions } = miniflareWorkerOptions(join(PROJECT_ROOT, "wrangler.toml"), "local");
  const gatewayDir = join(stateDir, "gateway");
  const referenceDir = join(stateDir, "reference");
  const gatewayBundle = await bundleWorker({
    entryPoint: "test/bench/gateway-worker.ts",
    outDir: gatewayDir,
  });
  const referenceBundle = await bundleWorker({
    entryPoint: "test/bench/hono-worker.ts",
    outDir: referenceDir,
    // Loaded only for routes that declare a discovery extension; these do not.
    external: ["@x402/extensions/*"],
  });
  const variables = {
    FACILITATORS: JSON.stringify(
      facilitatorUrls.map((url, index) => ({ id: `stub-${index + 1}`, url })),
    ),
    NETWORKS: JSON.stringify([{ caip2: NETWORK, confirmations: 0 }]),
    // Nobody asks for anything that needs an operator.
    OPERATORS: JSON.stringify([{ name: "nobody", tokenHash: "00".repeat(32) }]),
    QUOTE_SECRET: "quote-secret-of-the-benchmark-0123456789",
    DEPOSIT_SEED: `0x${"5e".repeat(32)}`,
  };
  const gateway: V4WorkerOptions = {
    ...workerOptions,
    name: GATEWAY,
    bindings: Object.assign({}, workerOptions.bindings, variables),
    // Nothing is paid out: the signer need not be a Worker of its own.
    serviceBindings: Object.assign({}, workerOptions.serviceBindings, {
      DEPOSIT_SIGNER: { name: GATEWAY, entrypoint: "DepositSigner" },
    }),
    modulesRoot: gatewayDir,
    modules: [{ type: "ESModule", path: gatewayBundle }],
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
  };
  const reference: V4WorkerOptions = {
    name: REFERENCE,
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: ["nodejs_compat"],
    bindings: { FACILITATOR_URLS: facilitatorUrls.join(" ") },
    modulesRoot: referenceDir,
    modules: [{ type: "ESModule", path: referenceBundle }],
    unsafeDirectSockets: [{ host: HOST, port: 0 }],
  };
  return new Miniflare(
    convertV4MiniflareOptions({
      host: HOST,
      port: 0,
      cf: false,
      logRequests: false,
      telemetry: { enabled: false },
      resourcePersistencePath: join(stateDir, "worker"),
      log: new Log(LogLevel.ERROR),
      inspectorPort,
      workers: [gateway, reference],
    }),
  );
}

/** The benchmark's Worker brings its own handler for every route. */
const NEVER_CALLED: Route["handler"] = {
  kind: "origin",
  url: "https://origin.invalid/",
  auth: null,
};

/** Only a dataset is read while its payment is verified. */
const NEVER_READ: Route["handler"] = {
  kind: "dataset",
  dataset: "bench",
  store: "bench",
  mode: "list",
  key: null,
  columns: [],
};

function snapshotOf(tenantId: TenantId): TenantSnapshot {
  return {
    tenantId,
    serial: 1,
    plan: "scale",
    collection: "treasury",
    payTo: PAY_TO,
    network: NETWORK,
    version: 1,
    deploymentId: "dep_bench",
    routes: [
      routeOf(ROUTE_PATH, "after", NEVER_CALLED),
      routeOf(DELAYED_PATH, "alongside", NEVER_READ),
    ],
    secrets: {},
    limitOverrides: [],
  };
}
