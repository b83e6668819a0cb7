/**
 * Two edges as two processes: the product's Worker in a workerd each, whose Durable Objects are all in the first one's.
 * They find each other by Miniflare's dev registry, a directory of files.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
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
import { PROJECT_ROOT, bundleWorker } from "../../src/local/bundle.ts";
import { applyMigrations } from "../../src/local/migrate.ts";
import { signerWorker } from "../../src/local/signer.ts";
import { listenForSpawns } from "../../src/local/spawned-children.ts";

/** Part of every Durable Object's identity. */
const OWNER = "claw402";
const OTHER = "claw402-other-edge";

export interface Edge {
  readonly url: string;
  /** Of its workerd. */
  readonly pid: number;
}

export interface EdgeOptions {
  /** Variables of both Workers. */
  readonly variables: Readonly<Record<string, string>> & { readonly NETWORKS: string };
  /** `FACILITATORS` of each: the first checks their health, too. */
  readonly facilitators: readonly [owner: unknown, other: unknown];
}

/** The part of a Durable Object's binding that says where its class is. */
const bindingsSchema = z.record(z.string(), z.looseObject({ className: z.string() }));

/** Stop them after the tests. */
export class Edges {
  readonly edges: readonly [owner: Edge, other: Edge];
  readonly #runtimes: readonly [owner: Miniflare, other: Miniflare];
  readonly #stateDir: string;

  private constructor(
    stateDir: string,
    runtimes: readonly [Miniflare, Miniflare],
    edges: readonly [Edge, Edge],
  ) {
    this.#stateDir = stateDir;
    this.#runtimes = runtimes;
    this.edges = edges;
  }

  static async start({ variables, facilitators }: EdgeOptions): Promise<Edges> {
    await using started = new AsyncDisposableStack();
    const stateDir = await mkdtemp(join(tmpdir(), "claw-edges-"));
    started.defer(() => rm(stateDir, { recursive: true, force: true }));
    await bundleWorker({ outDir: join(stateDir, "bundle") });
    const signer = await signerWorker({
      outDir: join(stateDir, "signer"),
      variables: { NETWORKS: variables.NETWORKS, DEPOSIT_SEED: `0x${"5e".repeat(32)}` },
    });
    const start = async (name: string, list: unknown) => {
      const pids: number[] = [];
      const runtime = listenForSpawns(
        (pid, file) => {
          if (file.endsWith("workerd")) pids.push(pid);
        },
        () =>
          startRuntime(
            stateDir,
            name,
            { ...variables, FACILITATORS: JSON.stringify(list) },
            signer,
          ),
      );
      started.defer(() => runtime.dispose());
      await runtime.ready;
      const url = (await runtime.unsafeGetDirectURL()).origin;
      const migrations = join(PROJECT_ROOT, "src/tenant/migrations");
      await applyMigrations(await runtime.getD1Database("DB"), migrations);
      const [pid] = pids;
      if (pid === undefined) throw new Error("no workerd was started");
      return { runtime, edge: { url, pid } };
    };
    const owner = await start(OWNER, facilitators[0]);
    const other = await start(OTHER, facilitators[1]);
    started.move();
    return new Edges(stateDir, [owner.runtime, other.runtime], [owner.edge, other.edge]);
  }

  /** What the control plane published at the first edge reaches the other one: on the network, both read one KV. */
  async replicate(): Promise<void> {
    const [owner, other] = this.#runtimes;
    const { SNAPSHOTS: from } = await owner.getBindings<Pick<Env, "SNAPSHOTS">>(OWNER);
    const { SNAPSHOTS: to } = await other.getBindings<Pick<Env, "SNAPSHOTS">>(OTHER);
    const { keys } = await from.list();
    for (const { name } of keys) await to.put(name, (await from.get(name)) ?? "");
  }

  async stop(): Promise<void> {
    for (const runtime of this.#runtimes.toReversed()) await runtime.dispose();
    await rm(this.#stateDir, { recursive: true, force: true });
  }
}

function startRuntime(
  stateDir: string,
  name: string,
  variables: Readonly<Record<string, string>>,
  signer: V4WorkerOptions,
): Miniflare {
  const { workerOptions } = miniflareWorkerOptions(join(PROJECT_ROOT, "wrangler.toml"), "local");
  const objects = bindingsSchema.parse(workerOptions.durableObjects);
  const durableObjects = Object.fromEntries(
    Object.entries(objects).map(([binding, { className }]) => [
      binding,
      name === OWNER
        ? // An object that is first reached from the other process never learns its name: it has to stay.
          { className, useSQLite: true, unsafePreventEviction: true }
        : { className, useSQLite: true, scriptName: OWNER },
    ]),
  );
  const modulesRoot = join(stateDir, "bundle");
  return new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      logRequests: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.ERROR),
      resourcePersistencePath: join(stateDir, name),
      unsafeDevRegistryPath: join(stateDir, "registry"),
      workers: [
        {
          ...workerOptions,
          name,
          durableObjects,
          bindings: Object.assign({}, workerOptions.bindings, variables),
          modulesRoot,
          modules: [{ type: "ESModule", path: join(modulesRoot, "worker.js") }],
          unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }],
        },
        // One for both: the other edge finds it in the registry.
        ...(name === OWNER ? [signer] : []),
      ],
    }),
  );
}
