/** The benchmark's Worker for scripts beside the product's script host, as the embedded platform runs them: two processes. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { transformSync } from "esbuild";
import { bundleWorker } from "../../src/local/bundle.ts";
import { startScriptHost } from "../../src/local/script-host.ts";
import { lockState } from "../../src/local/state-lock.ts";
import { HOST, startRuntime } from "../../src/local/workers-runtime.ts";
import { SCRIPT_COMPATIBILITY } from "../../src/runtime/script/script-runtime.ts";
import { storeScript } from "../../src/runtime/script/script-store.ts";
import { canonicalScript } from "../../src/runtime/script/script-version.ts";
import { tenantIdSchema } from "../../src/tenant/tenant-id.ts";

export interface ScriptRuntimeProcesses {
  readonly port: number;
  /** Path of a tenant's script, whose code is like all others' and its own. It is stored, and has not run. */
  upload(tenant: string): Promise<string>;
  /** Lines that were logged: a host that was replaced, for example. */
  readonly log: readonly string[];
  stop(): Promise<void>;
}

/** @param parentDir where its state goes */
export async function startScriptRuntime(parentDir: string): Promise<ScriptRuntimeProcesses> {
  await using started = new AsyncDisposableStack();
  const stateDir = await mkdtemp(join(parentDir, "claw-bench-scripts-"));
  started.defer(() => rm(stateDir, { recursive: true, force: true }));
  const lock = lockState(stateDir);
  started.defer(() => lock.release());
  const log: string[] = [];
  const onLog = (line: string) => void log.push(line);
  const outDir = join(stateDir, "bundle");
  const bundlePath = await bundleWorker({ outDir, entryPoint: "test/bench/script-worker.ts" });
  const scriptHost = await startScriptHost({ bundlePath, lock, variables: {}, onLog });
  started.defer(() => scriptHost.stop());
  const miniflare = startRuntime(
    { role: "workerd", lock, onLog },
    {
      resourcePersistencePath: join(stateDir, "worker"),
      workers: [
        {
          name: "bench-scripts",
          compatibilityDate: SCRIPT_COMPATIBILITY.date,
          compatibilityFlags: [...SCRIPT_COMPATIBILITY.flags],
          bindings: { ENVIRONMENT: "local", SCRIPT_HOST_TOKEN: scriptHost.token },
          r2Buckets: ["SCRIPTS"],
          serviceBindings: { SCRIPT_HOST: { external: { address: scriptHost.address, http: {} } } },
          modulesRoot: outDir,
          modules: [{ type: "ESModule", path: bundlePath }],
          unsafeDirectSockets: [{ host: HOST, port: 0 }],
        },
      ],
    },
  );
  started.defer(() => miniflare.dispose());
  await miniflare.ready;
  const bindings = await miniflare.getBindings<Pick<Env, "SCRIPTS">>();
  const source = await readFile(join(import.meta.dirname, "sold-script.ts"), "utf8");
  const { code } = transformSync(source, { loader: "ts" });
  const port = Number((await miniflare.unsafeGetDirectURL()).port);
  const running = started.move();
  return {
    port,
    log,
    async upload(tenant) {
      const tenantId = tenantIdSchema.parse(tenant);
      const content = `${code}\n// ${tenantId}`;
      const script = await canonicalScript({
        main: "sold.js",
        modules: { "sold.js": { type: "esm", content } },
      });
      await storeScript(bindings, tenantId, script);
      return `/script/${tenantId}/${script.version}`;
    },
    stop: () => running.disposeAsync(),
  };
}
