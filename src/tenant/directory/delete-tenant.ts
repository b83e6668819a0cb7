/** How a tenant ends: its credentials at once, what it uploaded piece by piece. The rows left are what is left to do. */
import * as z from "zod";
import { type TenantId, tenantIdSchema } from "../tenant-id.ts";
import { type AuditEntry, auditStatement } from "./audit.ts";

/** A deleted tenant that may still have something on the platform. */
const tenantToEmptySchema = z
  .object({
    serial: z.number().int().positive(),
    tenant_id: tenantIdSchema,
    deleted_at_ms: z.number().int(),
  })
  .transform((row) => ({
    serial: row.serial,
    tenantId: row.tenant_id,
    deletedAtMs: row.deleted_at_ms,
  }));
export type TenantToEmpty = Readonly<z.infer<typeof tenantToEmptySchema>>;

/** Marks the tenant deleted and removes its credentials and what it asked for, with the audit entry. Its id stays taken. */
export async function markDeleted(
  db: D1Database,
  tenant: { readonly serial: number; readonly tenantId: TenantId },
  entry: AuditEntry,
): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE tenants SET status = 'deleted', deleted_at_ms = ?2
         WHERE serial = ?1 AND status = 'active'`,
      )
      .bind(tenant.serial, entry.atMs),
    ...removeCredentialsStatements(db, tenant.serial),
    db
      .prepare("DELETE FROM limit_overrides WHERE tenant_serial = ? AND status = 'requested'")
      .bind(tenant.serial),
    auditStatement(db, entry),
  ]);
}

/** API keys and secrets; for a request that was under way while its tenant was deleted, once more. */
export function removeCredentialsStatements(db: D1Database, serial: number): D1PreparedStatement[] {
  return [
    db.prepare("DELETE FROM api_keys WHERE tenant_serial = ?").bind(serial),
    db.prepare("DELETE FROM tenant_secrets WHERE tenant_serial = ?").bind(serial),
  ];
}

/** In no order: those that can't be emptied must not hold up the others. */
export async function listTenantsToEmpty(db: D1Database, limit: number): Promise<TenantToEmpty[]> {
  const { results } = await db
    .prepare(
      `SELECT serial, tenant_id, deleted_at_ms FROM tenants
       WHERE status = 'deleted' AND emptied_at_ms IS NULL ORDER BY random() LIMIT ?`,
    )
    .bind(limit)
    .all();
  return results.map((row) => tenantToEmptySchema.parse(row));
}

/** Names of `DatasetStore` objects, at most `limit`. */
export async function listDatasetStores(
  db: D1Database,
  serial: number,
  limit: number,
): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT store FROM dataset_versions WHERE tenant_serial = ? LIMIT ?")
    .bind(serial, limit)
    .all();
  return results.map((row) => z.object({ store: z.string() }).parse(row).store);
}

/** Takes note that these objects are gone. */
export async function forgetDatasetStores(
  db: D1Database,
  serial: number,
  stores: readonly string[],
): Promise<void> {
  await db
    .prepare(
      `DELETE FROM dataset_versions
       WHERE tenant_serial = ? AND store IN (SELECT value FROM json_each(?))`,
    )
    .bind(serial, JSON.stringify(stores))
    .run();
}

/** Takes note that no code of the tenant is left. */
export async function forgetScriptUploads(db: D1Database, serial: number): Promise<void> {
  await db.prepare("DELETE FROM script_uploads WHERE tenant_serial = ?").bind(serial).run();
}

/** Takes note that nothing is left to remove. */
export async function markEmptied(db: D1Database, serial: number, nowMs: number): Promise<void> {
  await db
    .prepare("UPDATE tenants SET emptied_at_ms = MAX(deleted_at_ms, ?2) WHERE serial = ?1")
    .bind(serial, nowMs)
    .run();
}
