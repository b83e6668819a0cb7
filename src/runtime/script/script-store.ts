/**
 * Where uploaded code is kept: an R2 object per version. D1 takes values up to 2 MB and KV is eventually consistent; a
 * version has to be there, whole, when the deployment that names it goes on sale.
 */
import type { ScriptBundle } from "../../contracts/script.ts";
import type { TenantId } from "../../tenant/tenant-id.ts";
import { type CanonicalScript, parseCanonicalScript } from "./script-version.ts";

/** The binding this module needs; `Env` has it. */
export interface ScriptStore {
  readonly SCRIPTS: R2Bucket;
}

/** Stores a version; again changes nothing, because the name is the content. */
export async function storeScript(
  env: ScriptStore,
  tenantId: TenantId,
  { text, version }: CanonicalScript,
): Promise<void> {
  await env.SCRIPTS.put(objectKey(tenantId, version), text);
}

/** The code of a version; null when this tenant has no such one. @throws when what is stored is something else */
export async function readScript(
  env: ScriptStore,
  tenantId: TenantId,
  version: string,
): Promise<ScriptBundle | null> {
  const object = await env.SCRIPTS.get(objectKey(tenantId, version));
  return object === null ? null : await parseCanonicalScript(await object.text(), version);
}

/** Whether this tenant has such a version. */
export async function hasScript(
  env: ScriptStore,
  tenantId: TenantId,
  version: string,
): Promise<boolean> {
  return (await env.SCRIPTS.head(objectKey(tenantId, version))) !== null;
}

/** Removes code of a tenant, at most `limit` versions. @returns whether there is none left */
export async function removeScripts(
  env: ScriptStore,
  tenantId: TenantId,
  limit: number,
): Promise<boolean> {
  const listed = await env.SCRIPTS.list({ prefix: objectKey(tenantId, ""), limit });
  if (listed.objects.length > 0) await env.SCRIPTS.delete(listed.objects.map(({ key }) => key));
  return !listed.truncated;
}

/** Per tenant: one tenant's code is never found under another's name, however equal. */
function objectKey(tenantId: TenantId, version: string): string {
  return `${tenantId}/${version}`;
}
