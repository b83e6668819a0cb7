/** Brings the code of a deployment's routes to where it will run, before anything of it is on sale. */
import type { Route } from "../../contracts/snapshot.ts";
import {
  forgetNamespaceScript,
  insertNamespaceScript,
  listDispatchKeys,
  listNamespaceScripts,
} from "../../tenant/directory/namespace-scripts.ts";
import type { TenantRecord } from "../../tenant/directory/tenants.ts";
import {
  deleteFromNamespace,
  type NamespaceApi,
  type UploadOutcome,
  uploadToNamespace,
} from "./namespace-api.ts";
import type { ScriptBindings } from "./script-runtime-of.ts";
import { readScript } from "./script-store.ts";

export interface ScriptDeploymentEnv extends ScriptBindings {
  readonly ENVIRONMENT: string;
  readonly CLOUDFLARE_ACCOUNT_ID?: string;
  readonly CLOUDFLARE_API_TOKEN?: string;
  /** Cloudflare's own when left out. */
  readonly CLOUDFLARE_API_URL?: string;
  /** Name of the namespace that `DISPATCHER` is bound to. */
  readonly DISPATCH_NAMESPACE?: string;
}

const CLOUDFLARE_API_URL = "https://api.cloudflare.com/client/v4";

/** Each is a call of the API, one after the other. */
const REMOVALS_AT_ONCE = 20;

export type ScriptDeployment =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Name of the script that could not be deployed. */
      readonly script: string;
      readonly outcome: Exclude<UploadOutcome, { result: "uploaded" }>;
    };

/** A script host is sent code when it first runs it; only a dispatch namespace has to have it before. */
export async function deployScripts(
  env: ScriptDeploymentEnv,
  tenant: TenantRecord,
  routes: readonly Route[],
): Promise<ScriptDeployment> {
  if (env.DISPATCHER === undefined) return { ok: true };
  const present = await listNamespaceScripts(env.DB, tenant.serial);
  const missing = new Map(
    routes.flatMap(({ handler }) =>
      handler.kind === "script" && !present.has(handler.version)
        ? [[handler.version, handler] as const]
        : [],
    ),
  );
  if (missing.size === 0) return { ok: true };
  const api = namespaceApiOf(env);
  for (const [version, { script, dispatchKey }] of missing) {
    const outcome = await upload(env, api, tenant, version);
    if (outcome.result !== "uploaded") return { ok: false, script, outcome };
    await insertNamespaceScript(env.DB, {
      dispatchKey,
      tenantSerial: tenant.serial,
      version,
      uploadedAtMs: Date.now(),
    });
  }
  return { ok: true };
}

/** Takes a tenant's code out of the namespace, a bounded number at a time. @returns whether there is none left */
export async function removeDeployedScripts(
  env: ScriptDeploymentEnv,
  tenantSerial: number,
): Promise<boolean> {
  const keys = await listDispatchKeys(env.DB, tenantSerial, REMOVALS_AT_ONCE);
  if (keys.length === 0) return true;
  const api = namespaceApiOf(env);
  if (api === null) return false;
  for (const dispatchKey of keys) {
    if (!(await deleteFromNamespace(api, dispatchKey))) return false;
    await forgetNamespaceScript(env.DB, dispatchKey);
  }
  return keys.length < REMOVALS_AT_ONCE;
}

async function upload(
  env: ScriptDeploymentEnv,
  api: NamespaceApi | null,
  { tenantId }: TenantRecord,
  version: string,
): Promise<UploadOutcome> {
  if (api === null) {
    const reason = "CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_TOKEN or DISPATCH_NAMESPACE is not set";
    return { result: "unavailable", reason };
  }
  const bundle = await readScript(env, tenantId, version);
  if (bundle === null) throw new Error(`the code of ${tenantId} ${version} is not stored`);
  const ref = { environment: env.ENVIRONMENT, tenantId, version };
  return await uploadToNamespace(api, ref, bundle);
}

function namespaceApiOf(env: ScriptDeploymentEnv): NamespaceApi | null {
  const accountId = env.CLOUDFLARE_ACCOUNT_ID ?? "";
  const apiToken = env.CLOUDFLARE_API_TOKEN ?? "";
  const namespace = env.DISPATCH_NAMESPACE ?? "";
  if (accountId === "" || apiToken === "" || namespace === "") return null;
  return { apiUrl: env.CLOUDFLARE_API_URL ?? CLOUDFLARE_API_URL, accountId, apiToken, namespace };
}
