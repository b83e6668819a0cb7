/** Which runtime this environment runs scripts on: what is bound decides. */
import { waitUntil } from "cloudflare:workers";
import { reportEgress } from "../../tenant/report-egress.ts";
import { countDenials } from "../../tenant/directory/egress-denials.ts";
import { dispatchedScripts } from "./dispatch-namespace.ts";
import { hostedScripts } from "./hosted-scripts.ts";
import type { ScriptRuntime } from "./script-runtime.ts";
import { readScript, type ScriptStore } from "./script-store.ts";

export interface ScriptBindings extends ScriptStore {
  /** Where what scripts moved is counted. */
  readonly SETTLEMENT_LEDGER: Env["SETTLEMENT_LEDGER"];
  readonly DB: D1Database;
  /** Workers for Platforms; goes before the script host. */
  readonly DISPATCHER?: DispatchNamespace;
  /** A `ScriptHost`. */
  readonly SCRIPT_HOST?: Fetcher;
  readonly SCRIPT_HOST_TOKEN?: string;
}

/** null: this environment runs no scripts. */
export function scriptRuntimeOf(env: ScriptBindings): ScriptRuntime | null {
  if (env.DISPATCHER !== undefined) return dispatchedScripts(env.DISPATCHER);
  if (env.SCRIPT_HOST === undefined) return null;
  return hostedScripts({
    host: env.SCRIPT_HOST,
    token: env.SCRIPT_HOST_TOKEN ?? "",
    readCode: ({ tenantId, version }) => readScript(env, tenantId, version),
    onUses: (uses) => waitUntil(reportEgress(env, uses)),
    onDenials: (counts) => waitUntil(countDenials(env.DB, counts)),
  });
}
