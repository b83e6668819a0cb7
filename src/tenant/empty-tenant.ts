/**
 * Removes what deleted tenants had uploaded: datasets, code, and whatever a request wrote that was under way while its
 * tenant was deleted. Each round is bounded and can be repeated; a row goes after what it names is gone.
 */
import { removeDataset } from "../../durable-objects/dataset-store/client.ts";
import {
  removeDeployedScripts,
  type ScriptDeploymentEnv,
} from "../runtime/script/deploy-scripts.ts";
import { removeScripts } from "../runtime/script/script-store.ts";
import {
  forgetDatasetStores,
  forgetScriptUploads,
  listDatasetStores,
  listTenantsToEmpty,
  markEmptied,
  removeCredentialsStatements,
  type TenantToEmpty,
} from "./directory/delete-tenant.ts";
import { publishTenant } from "./publish-tenant.ts";
import type { SnapshotStore } from "./snapshots.ts";

/** A round makes a call per dataset and tenant: 250 together, well below what one invocation may make. */
const TENANTS_PER_SWEEP = 5;
const DATASETS_PER_ROUND = 50;

/** The bucket deletes up to 1,000 objects in one call. */
const SCRIPTS_PER_ROUND = 500;

/** No request that began before the deletion takes as long: after this, what is empty stays empty. */
const LATE_WRITES_MS = 60 * 60_000;

export interface EmptyTenantEnv extends SnapshotStore, ScriptDeploymentEnv {
  readonly DATASET_STORE: Env["DATASET_STORE"];
}

/** A tenant that can't be emptied now is tried again by a later sweep. */
export async function sweepDeletedTenants(env: EmptyTenantEnv, nowMs: number): Promise<void> {
  for (const tenant of await listTenantsToEmpty(env.DB, TENANTS_PER_SWEEP)) {
    try {
      await emptyTenant(env, tenant, nowMs);
    } catch (error) {
      const { tenantId } = tenant;
      const event = { event: "tenant_not_emptied", tenantId, error: String(error) };
      console.error(JSON.stringify(event));
    }
  }
}

/** One round for one tenant. */
export async function emptyTenant(
  env: EmptyTenantEnv,
  tenant: TenantToEmpty,
  nowMs: number,
): Promise<void> {
  const { serial, tenantId, deletedAtMs } = tenant;
  await publishTenant(env, tenantId, nowMs);
  await env.DB.batch(removeCredentialsStatements(env.DB, serial));
  const stores = await listDatasetStores(env.DB, serial, DATASETS_PER_ROUND);
  await Promise.all(stores.map((store) => removeDataset(env.DATASET_STORE, store)));
  await forgetDatasetStores(env.DB, serial, stores);
  const hasNoScripts = await removeScripts(env, tenantId, SCRIPTS_PER_ROUND);
  if (hasNoScripts) await forgetScriptUploads(env.DB, serial);
  const hasNoDeployedScripts = await removeDeployedScripts(env, serial);
  const isEmpty = stores.length < DATASETS_PER_ROUND && hasNoScripts && hasNoDeployedScripts;
  if (isEmpty && nowMs - deletedAtMs >= LATE_WRITES_MS) await markEmptied(env.DB, serial, nowMs);
}
