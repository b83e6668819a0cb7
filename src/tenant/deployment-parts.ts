/** What an earlier deployment is made of, and whether all of it is still there to be sold. */
import { type DatasetNamespace, openDataset } from "../../durable-objects/dataset-store/client.ts";
import type { Route } from "../contracts/snapshot.ts";
import { type ScriptStore, hasScript } from "../runtime/script/script-store.ts";
import { listSecrets } from "./directory/secrets.ts";
import type { TenantRecord } from "./directory/tenants.ts";

export interface DeploymentPartsEnv extends ScriptStore {
  readonly DB: D1Database;
  readonly DATASET_STORE: DatasetNamespace;
}

/** Names of what the routes need and what is gone, for example `dataset cities`; none when they can be sold. */
export async function missingParts(
  env: DeploymentPartsEnv,
  tenant: TenantRecord,
  routes: readonly Route[],
): Promise<string[]> {
  const handlers = routes.map(({ handler }) => handler);
  const stores = new Map(
    handlers.flatMap((handler) =>
      handler.kind === "dataset" ? [[handler.store, handler.dataset] as const] : [],
    ),
  );
  const scripts = new Map(
    handlers.flatMap((handler) =>
      handler.kind === "script" ? [[handler.version, handler.script] as const] : [],
    ),
  );
  const secrets = new Set(
    handlers.flatMap((handler) =>
      handler.kind === "origin" && handler.auth !== null ? [handler.auth.secret] : [],
    ),
  );
  const [missingDatasets, missingScripts, missingSecrets] = await Promise.all([
    withoutPresent(stores, async (store) => {
      const reply = await openDataset(env.DATASET_STORE, store).describe();
      return reply.result === "described";
    }),
    withoutPresent(scripts, (version) => hasScript(env, tenant.tenantId, version)),
    namesWithoutSecret(env.DB, tenant.serial, secrets),
  ]);
  return [
    ...missingDatasets.map((name) => `dataset ${name}`),
    ...missingScripts.map((name) => `script ${name}`),
    ...missingSecrets.map((name) => `secret ${name}`),
  ];
}

/** Names of the parts that are gone. A manifest has 200 routes at most, so there are at most as many. */
async function withoutPresent(
  parts: ReadonlyMap<string, string>,
  isPresent: (id: string) => Promise<boolean>,
): Promise<string[]> {
  const checked = await Promise.all(
    [...parts].map(async ([id, name]) => ((await isPresent(id)) ? [] : [name])),
  );
  return checked.flat();
}

async function namesWithoutSecret(
  db: D1Database,
  tenantSerial: number,
  names: ReadonlySet<string>,
): Promise<string[]> {
  if (names.size === 0) return [];
  const kept = new Set((await listSecrets(db, tenantSerial)).map(({ name }) => name));
  return [...names].filter((name) => !kept.has(name));
}
