/** Which code is in the dispatch namespace already. */
import * as z from "zod";

export interface NamespaceScript {
  readonly dispatchKey: string;
  readonly tenantSerial: number;
  readonly version: string;
  readonly uploadedAtMs: number;
}

/** Versions of a tenant's code that are in the namespace. */
export async function listNamespaceScripts(
  db: D1Database,
  tenantSerial: number,
): Promise<ReadonlySet<string>> {
  const { results } = await db
    .prepare("SELECT version FROM namespace_scripts WHERE tenant_serial = ?")
    .bind(tenantSerial)
    .all();
  return new Set(results.map((row) => z.object({ version: z.string() }).parse(row).version));
}

/** Records an upload that succeeded; of two at the same time, either. */
export async function insertNamespaceScript(
  db: D1Database,
  script: NamespaceScript,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO namespace_scripts (dispatch_key, tenant_serial, version, uploaded_at_ms)
       VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    )
    .bind(script.dispatchKey, script.tenantSerial, script.version, script.uploadedAtMs)
    .run();
}

/** Names of a tenant's code in the namespace, at most `limit`. */
export async function listDispatchKeys(
  db: D1Database,
  tenantSerial: number,
  limit: number,
): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT dispatch_key FROM namespace_scripts WHERE tenant_serial = ? LIMIT ?")
    .bind(tenantSerial, limit)
    .all();
  return results.map((row) => z.object({ dispatch_key: z.string() }).parse(row).dispatch_key);
}

/** Records that it is no longer there. */
export async function forgetNamespaceScript(db: D1Database, dispatchKey: string): Promise<void> {
  await db.prepare("DELETE FROM namespace_scripts WHERE dispatch_key = ?").bind(dispatchKey).run();
}
