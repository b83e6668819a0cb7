/**
 * The process that tenants' scripts run in: a second workerd, without storage or secrets, under a watchdog. A script
 * that loops blocks every script in its workerd; here that is this process, which is ended, and started again by
 * Miniflare on the same port, while the platform serves on.
 */
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
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
  const { bundlePath, lock, onLog } = options;
  const token = randomBytes(24).toString("base64url");
  const runtime = startRuntime(
    { role: SCRIPT_HOST_ROLE, lock, onLog },
    {
      workers: [
        {
          name: "script-host",
          compatibilityDate: SCRIPT_COMPATIBILITY.date,
          compatibilityFlags: [...SCRIPT_COMPATIBILITY.flags],
          bindings: { ...options.variables, SCRIPT_HOST_TOKEN: token },
          workerLoaders: { LOADER: {} },
          serviceBindings: { INTERNET: publicInternet },
          modulesRoot: dirname(bundlePath),
          modules: [{ type: "ESModule", path: bundlePath }],
          unsafeDirectSockets: [{ host: HOST, port: 0, entrypoint: "ScriptHost" }],
        },
      ],
    },
  );
  try {
    await runtime.ready;
    const url = await runtime.unsafeGetDirectURL(undefined, "ScriptHost");
    const watchdog = watchProcess({
      ping: async (signal) => {
        const ping = new URL(hostPaths.ping, url);
        await (await fetch(ping, { headers: { [TOKEN_FIELD]: token }, signal })).text();
      },
      pid: () => lock.childPid(SCRIPT_HOST_ROLE),
      onKill: (reason) => onLog?.(`the script host is ended and started again: it ${reason}`),
    });
    return {
      address: url.host,
      token,
      stop: async () => {
        await watchdog.stop();
        await runtime.dispose();
      },
    };
  } catch (error) {
    await runtime.dispose().catch(() => undefined);
    throw error;
  }
}
