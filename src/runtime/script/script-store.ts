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

/** Per tenant: one tenant's code is never found under another's name, however equal. */
function objectKey(tenantId: TenantId, version: string): string {
  return `${tenantId}/${version}`;
}
