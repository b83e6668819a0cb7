/**
 * The process that tenants' scripts run in: a second workerd, without storage or secrets, under a watchdog. A script
 * that loops blocks every script in its workerd; here that is this process, which is replaced on the same port while
 * the platform serves on.
 */
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import type { Miniflare } from "miniflare";
import { TOKEN_FIELD, hostPaths } from "../runtime/script/host-messages.ts";
import { SCRIPT_COMPATIBILITY } from "../runtime/script/script-runtime.ts";
import { publicInternet } from "./public-internet.ts";
import type { StateLock } from "./state-lock.ts";
import { watchProcess } from "./watchdog.ts";
import { HOST, startRuntime } from "./workers-runtime.ts";

export const SCRIPT_HOST_ROLE = "script-host";

export interface ScriptHostOptions {
  /** The platform's own bundle, of which only the host and the egress entrypoint run here. */
  readonly bundlePath: string;
  readonly lock: StateLock;
  /** Variables of the egress policy. */
  readonly variables: Readonly<Record<string, string>>;
  readonly onLog: ((line: string) => void) | undefined;
}

export interface LocalScriptHost {
  /** `127.0.0.1:PORT`, the same as long as it runs. */
  readonly address: string;
  /** What its callers have to know. */
  readonly token: string;
  stop(): Promise<void>;
}

export async function startScriptHost(options: ScriptHostOptions): Promise<LocalScriptHost> {
  const token = randomBytes(24).toString("base64url");
  const { lock, onLog } = options;
  let runtime = await startHost(options, token, 0);
  const { url } = runtime;
  const watchdog = watchProcess({
    ping: async (signal) => {
      const headers = { [TOKEN_FIELD]: token };
      await (await fetch(new URL(hostPaths.ping, url), { headers, signal })).text();
    },
    pid: () => lock.childPid(SCRIPT_HOST_ROLE),
    replace: async (reason) => {
      onLog?.(`the script host ${reason}; another one is started`);
      try {
        await endHost(runtime.miniflare, lock);
        runtime = await startHost(options, token, Number(url.port));
      } catch (error) {
        // The watchdog finds nothing listening, and tries again.
        onLog?.(`it does not start: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  });
  return {
    address: url.host,
    token,
    stop: async () => {
      await watchdog.stop();
      await endHost(runtime.miniflare, lock);
    },
  };
}

interface HostRuntime {
  readonly miniflare: Miniflare;
  readonly url: URL;
}

/** @param port 0 takes a free one */
async function startHost(
  { bundlePath, lock, onLog, variables }: ScriptHostOptions,
  token: string,
  port: number,
): Promise<HostRuntime> {
  const miniflare = startRuntime(
    { role: SCRIPT_HOST_ROLE, lock, onLog },
    {
      workers: [
        {
          name: "script-host",
          compatibilityDate: SCRIPT_COMPATIBILITY.date,
          compatibilityFlags: [...SCRIPT_COMPATIBILITY.flags],
          bindings: { ...variables, SCRIPT_HOST_TOKEN: token, SCRIPT_HOST_WATCHED: "yes" },
          workerLoaders: { LOADER: {} },
          serviceBindings: { INTERNET: publicInternet },
          modulesRoot: dirname(bundlePath),
          modules: [{ type: "ESModule", path: bundlePath }],
          unsafeDirectSockets: [{ host: HOST, port, entrypoint: "ScriptHost" }],
        },
      ],
    },
  );
  try {
    await miniflare.ready;
    return { miniflare, url: await miniflare.unsafeGetDirectURL(undefined, "ScriptHost") };
  } catch (error) {
    await endHost(miniflare, lock).catch(() => undefined);
    throw error;
  }
}

/** Miniflare alone would start the process again that is ended under it, or wait for one that is stuck. */
async function endHost(miniflare: Miniflare, lock: StateLock): Promise<void> {
  const disposed = miniflare.dispose();
  await lock.endOrphan(SCRIPT_HOST_ROLE, 0);
  await disposed;
}
