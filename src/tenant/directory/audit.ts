/** The audit log: who changed what, when. Entries are written in the same batch as the change they tell of. */
import * as z from "zod";
import type { TenantId } from "../tenant-id.ts";
import { jsonTextSchema } from "./json-text.ts";

export interface AuditEntry {
  readonly atMs: number;
  readonly actor: "operator" | "tenant";
  readonly tenantId: TenantId;
  readonly action:
    | "tenant.create"
    | "dataset.upload"
    | "deployment.create"
    | "deployment.rollback"
    | "payout.request";
  /** Id or name of what was written. */
  readonly subject: string;
  /** Never secrets: no key, token or signature. */
  readonly detail: Readonly<Record<string, string | number | null>>;
}

const auditRowSchema = z
  .object({
    audit_id: z.number().int(),
    at_ms: z.number().int(),
    actor: z.enum(["operator", "tenant"]),
    action: z.string(),
    subject: z.string(),
    detail: jsonTextSchema(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
  })
  .transform((row) => ({
    auditId: row.audit_id,
    atMs: row.at_ms,
    actor: row.actor,
    action: row.action,
    subject: row.subject,
    detail: row.detail,
  }));
export type AuditRecord = z.infer<typeof auditRowSchema>;

/** The insert of one entry, for the batch of the change. */
export function auditStatement(db: D1Database, entry: AuditEntry): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO audit (at_ms, actor, tenant_id, action, subject, detail)
       VALUES (?, ?, ?, ?, ?, ?)`,
    )
    .bind(
      entry.atMs,
      entry.actor,
      entry.tenantId,
      entry.action,
      entry.subject,
      JSON.stringify(entry.detail),
    );
}

/** The newest entries about a tenant, newest first. */
export async function listAudit(
  db: D1Database,
  tenantId: TenantId,
  limit: number,
): Promise<AuditRecord[]> {
  const { results } = await db
    .prepare(
      `SELECT audit_id, at_ms, actor, action, subject, detail FROM audit
       WHERE tenant_id = ? ORDER BY audit_id DESC LIMIT ?`,
    )
    .bind(tenantId, limit)
    .all();
  return results.map((row) => auditRowSchema.parse(row));
}
