/** How a tenant comes to be: a number first, then the tenant with its key and audit entry, all or nothing. */
import * as z from "zod";
import { apiKeyStatement, type NewApiKey } from "./api-keys.ts";
import { auditStatement } from "./audit.ts";
import type { TenantRecord } from "./tenants.ts";

/** A tenant about to be written: it will be active, with nothing deployed. */
export type NewTenant = Omit<TenantRecord, "status" | "activeVersion" | "deletedAtMs">;

/** The field of a new tenant that is taken already. */
const tenantConflictSchema = z.enum(["tenantId", "wallet"]);
export type TenantConflict = z.infer<typeof tenantConflictSchema>;

/** Takes the next number. Numbers are never given out twice, whether or not a tenant follows. */
export async function takeSerial(db: D1Database): Promise<number> {
  const serial = await db
    .prepare("INSERT INTO tenant_serials DEFAULT VALUES RETURNING serial")
    .first("serial");
  return z.number().int().positive().parse(serial);
}

/**
 * An id is taken for ever. A wallet can't be paid out to where a tenant's payments arrive, nor can payments arrive where
 * a tenant is paid out to.
 */
export async function findTenantConflict(
  db: D1Database,
  tenant: Pick<NewTenant, "tenantId" | "wallet" | "collection">,
): Promise<TenantConflict | null> {
  const conflict = await db
    .prepare(
      `SELECT CASE WHEN tenant_id = ?1 THEN 'tenantId' ELSE 'wallet' END AS conflict
       FROM tenants LEFT JOIN wallet_changes
         ON wallet_changes.tenant_serial = tenants.serial AND wallet_changes.state = 'pending'
       WHERE tenant_id = ?1 OR pay_to = ?2
         OR (?3 = 'direct' AND ?2 IN (tenants.wallet, wallet_changes.wallet))
       ORDER BY tenant_id = ?1 DESC LIMIT 1`,
    )
    .bind(tenant.tenantId, tenant.wallet, tenant.collection)
    .first("conflict");
  return tenantConflictSchema.nullable().parse(conflict);
}

/**
 * Writes the tenant, its first API key and the audit entry. The tables' constraints decide between concurrent
 * writers; the loser learns what it collided with, the winner null.
 */
export async function insertTenant(
  db: D1Database,
  tenant: NewTenant,
  apiKey: NewApiKey,
  operator: string,
): Promise<TenantConflict | null> {
  try {
    await db.batch([
      tenantStatement(db, tenant),
      apiKeyStatement(db, tenant.serial, apiKey),
      auditStatement(db, {
        atMs: tenant.createdAtMs,
        actor: "operator",
        operator,
        tenantId: tenant.tenantId,
        action: "tenant.create",
        subject: tenant.tenantId,
        detail: {
          serial: tenant.serial,
          plan: tenant.plan,
          wallet: tenant.wallet,
          collection: tenant.collection,
        },
      }),
    ]);
    return null;
  } catch (error) {
    const conflict = await findTenantConflict(db, tenant);
    if (conflict === null) throw error;
    return conflict;
  }
}

function tenantStatement(db: D1Database, tenant: NewTenant): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO tenants
         (serial, tenant_id, plan, wallet, collection, network, pay_to, status, created_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'active', ?)`,
    )
    .bind(
      tenant.serial,
      tenant.tenantId,
      tenant.plan,
      tenant.wallet,
      tenant.collection,
      tenant.network,
      tenant.payTo,
      tenant.createdAtMs,
    );
}
