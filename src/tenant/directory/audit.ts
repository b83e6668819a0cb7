/** The audit log: who changed what, when. Entries are written in the same batch as the change they tell of. */
import * as z from "zod";
import type { Scope } from "../tenant-id.ts";
import { jsonTextSchema } from "./json-text.ts";

export interface AuditEntry {
  readonly atMs: number;
  readonly actor: "operator" | "tenant";
  readonly tenantId: Scope;
  readonly action:
    | "tenant.create"
    | "dataset.upload"
    | "script.upload"
    | "deployment.create"
    | "deployment.rollback"
    | "payout.request"
    | "secret.put"
    | "secret.delete"
    | "secrets.re_encrypt"
    | "payment.refund"
    | "deposit.refund"
    | "payment.retry"
    | "payment.resolve"
    | "alert.redeliver"
    | "facilitator.open"
    | "facilitator.close"
    | "facilitator.auto";
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

/** The newest entries about a tenant or the platform, newest first. @param subject only entries about this one, when given */
export async function listAudit(
  db: D1Database,
  tenantId: Scope,
  limit: number,
  subject: string | null = null,
): Promise<AuditRecord[]> {
  const { results } = await db
    .prepare(
      `SELECT audit_id, at_ms, actor, action, subject, detail FROM audit
       WHERE tenant_id = ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY audit_id DESC LIMIT ?3`,
    )
    .bind(tenantId, subject, limit)
    .all();
  return results.map((row) => auditRowSchema.parse(row));
}
