/** Which code tenants uploaded: one row for every upload; the code itself is in R2. */
import * as z from "zod";
import { scriptReportSchema } from "../../contracts/script.ts";
import { auditStatement } from "./audit.ts";
import { jsonTextSchema } from "./json-text.ts";
import type { TenantRecord } from "./tenants.ts";

const scriptUploadRowSchema = z
  .object({
    name: z.string(),
    version: z.string(),
    modules: jsonTextSchema(scriptReportSchema.shape.modules),
    bytes: z.number().int(),
    created_at_ms: z.number().int(),
  })
  .transform((row) => ({
    name: row.name,
    version: row.version,
    modules: row.modules,
    bytes: row.bytes,
    createdAtMs: row.created_at_ms,
  }));
export type ScriptUpload = Readonly<z.infer<typeof scriptUploadRowSchema>>;

/**
 * Records an upload whose code is stored, with its audit entry: from now on deployments take it.
 * @returns whether it was written: false when the tenant has so many scripts of other names already
 */
export async function insertScriptUpload(
  db: D1Database,
  tenant: TenantRecord,
  upload: ScriptUpload,
  scriptsMax: number,
): Promise<boolean> {
  try {
    await db.batch([
      db
        .prepare(
          // Counted in the same statement as it is written, for uploads at the same time: one too many has no tenant,
          // which fails its whole batch.
          `INSERT INTO script_uploads (tenant_serial, name, version, modules, bytes, created_at_ms)
           SELECT CASE WHEN COUNT(DISTINCT name) < ?7 THEN ?1 END, ?2, ?3, ?4, ?5, ?6
           FROM script_uploads WHERE tenant_serial = ?1 AND name <> ?2`,
        )
        .bind(
          tenant.serial,
          upload.name,
          upload.version,
          JSON.stringify(upload.modules),
          upload.bytes,
          upload.createdAtMs,
          scriptsMax,
        ),
      auditStatement(db, {
        atMs: upload.createdAtMs,
        actor: "tenant",
        tenantId: tenant.tenantId,
        action: "script.upload",
        subject: upload.name,
        detail: { version: upload.version, bytes: upload.bytes },
      }),
    ]);
    return true;
  } catch (error) {
    const others = (await listLatestScripts(db, tenant.serial)).filter(
      ({ name }) => name !== upload.name,
    );
    if (others.length < scriptsMax) throw error;
    return false;
  }
}

/** The newest upload of every script of a tenant, by name. */
export async function listLatestScripts(
  db: D1Database,
  tenantSerial: number,
): Promise<ScriptUpload[]> {
  // SQLite takes the other columns from the row that holds the MAX (documented for bare columns).
  const { results } = await db
    .prepare(
      `SELECT MAX(sequence), name, version, modules, bytes, created_at_ms
       FROM script_uploads WHERE tenant_serial = ? GROUP BY name ORDER BY name`,
    )
    .bind(tenantSerial)
    .all();
  return results.map((row) => scriptUploadRowSchema.parse(row));
}
