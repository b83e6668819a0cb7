/** The audit log: who changed what, when. Entries are written in the same batch as the change they tell of. */
import * as z from "zod";
import type { Scope } from "../tenant-id.ts";
import { jsonTextSchema } from "./json-text.ts";

/** Whose tenant is in `tenantId`; which operator, by name. */
export type AuditActor =
  | { readonly actor: "operator"; readonly operator: string }
  | { readonly actor: "tenant" };

export type AuditEntry = AuditActor & {
  readonly atMs: number;
  readonly tenantId: Scope;
  readonly action:
    | "tenant.create"
    | "tenant.delete"
    | "tenant.empty"
    | "tenant.suspend"
    | "tenant.resume"
    | "api_key.create"
    | "api_key.rotate"
    | "api_key.revoke"
    | "dataset.upload"
    | "script.upload"
    | "deployment.create"
    | "deployment.rollback"
    | "payout.request"
    | "wallet.change"
    | "wallet.cancel"
    | "secret.put"
    | "secret.delete"
    | "secrets.re_encrypt"
    | "limit_override.request"
    | "limit_override.approve"
    | "limit_override.deny"
    | "limit_override.revoke"
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
};

const auditRowSchema = z
  .object({
    audit_id: z.number().int(),
    at_ms: z.number().int(),
    actor: z.enum(["operator", "tenant"]),
    operator: z.string().nullable(),
    tenant_id: z.string(),
    action: z.string(),
    subject: z.string(),
    detail: jsonTextSchema(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
  })
  .transform((row) => ({
    auditId: row.audit_id,
    atMs: row.at_ms,
    actor: row.actor,
    operator: row.operator,
    tenantId: row.tenant_id,
    action: row.action,
    subject: row.subject,
    detail: row.detail,
  }));
export type AuditRecord = z.infer<typeof auditRowSchema>;

/** The insert of one entry, for the batch of the change. */
export function auditStatement(db: D1Database, entry: AuditEntry): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO audit (at_ms, actor, operator, tenant_id, action, subject, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    .bind(
      entry.atMs,
      entry.actor,
      entry.actor === "operator" ? entry.operator : null,
      entry.tenantId,
      entry.action,
      entry.subject,
      JSON.stringify(entry.detail),
    );
}

export interface AuditQuery {
  readonly tenantId?: Scope | undefined;
  /** Name. */
  readonly operator?: string | undefined;
  readonly subject?: string | undefined;
  /** Id of the last entry of the page before. */
  readonly beforeId?: number | undefined;
  readonly limit: number;
}

/** Newest first; only what fits everything that is given. */
export async function listAudit(db: D1Database, query: AuditQuery): Promise<AuditRecord[]> {
  // A condition for each filter that is there, so that the index of the one that narrows most is used.
  const conditions = [
    { sql: "tenant_id = ?", value: query.tenantId },
    { sql: "operator = ?", value: query.operator },
    { sql: "subject = ?", value: query.subject },
    { sql: "audit_id < ?", value: query.beforeId },
  ].filter(({ value }) => value !== undefined);
  const { results } = await db
    .prepare(
      `SELECT audit_id, at_ms, actor, operator, tenant_id, action, subject, detail FROM audit
       WHERE ${["TRUE", ...conditions.map(({ sql }) => sql)].join(" AND ")}
       ORDER BY audit_id DESC LIMIT ?`,
    )
    .bind(...conditions.map(({ value }) => value), query.limit)
    .all();
  return results.map((row) => auditRowSchema.parse(row));
}
