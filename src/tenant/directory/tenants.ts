/** Tenants in D1. Rows are parsed on the way out, so that a schema and its code can't drift apart unseen. */
import * as z from "zod";
import { collectionSchema, planIdSchema } from "../../contracts/snapshot.ts";
import { type TenantId, tenantIdSchema } from "../tenant-id.ts";

/** The columns every reader of tenants selects, in the shape `tenantRowSchema` parses. */
export const TENANT_COLUMNS = `tenants.serial, tenants.tenant_id, tenants.plan, tenants.wallet,
  tenants.collection, tenants.network, tenants.pay_to, tenants.status, tenants.active_version,
  tenants.created_at_ms, tenants.deleted_at_ms`;

export const tenantRowSchema = z
  .object({
    serial: z.number().int().positive(),
    tenant_id: tenantIdSchema,
    plan: planIdSchema,
    wallet: z.string(),
    collection: collectionSchema,
    network: z.string(),
    pay_to: z.string(),
    status: z.enum(["active", "deleted"]),
    active_version: z.number().int().positive().nullable(),
    created_at_ms: z.number().int(),
    deleted_at_ms: z.number().int().nullable(),
  })
  .transform((row) => ({
    serial: row.serial,
    tenantId: row.tenant_id,
    plan: row.plan,
    wallet: row.wallet,
    collection: row.collection,
    network: row.network,
    payTo: row.pay_to,
    status: row.status,
    activeVersion: row.active_version,
    createdAtMs: row.created_at_ms,
    deletedAtMs: row.deleted_at_ms,
  }));
export type TenantRecord = Readonly<z.infer<typeof tenantRowSchema>>;

export async function readTenant(db: D1Database, tenantId: TenantId): Promise<TenantRecord | null> {
  const row = await db
    .prepare(`SELECT ${TENANT_COLUMNS} FROM tenants WHERE tenant_id = ?`)
    .bind(tenantId)
    .first();
  return row === null ? null : tenantRowSchema.parse(row);
}

/** In order of their numbers, beginning after `afterSerial`. */
export async function listTenants(
  db: D1Database,
  page: { readonly afterSerial: number; readonly limit: number },
): Promise<TenantRecord[]> {
  const { results } = await db
    .prepare(`SELECT ${TENANT_COLUMNS} FROM tenants WHERE serial > ? ORDER BY serial LIMIT ?`)
    .bind(page.afterSerial, page.limit)
    .all();
  return results.map((row) => tenantRowSchema.parse(row));
}
