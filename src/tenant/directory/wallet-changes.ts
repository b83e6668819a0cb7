/** Changes of the wallets that tenants are paid out to, in D1: one that waits, at most, and those before it. */
import * as z from "zod";
import { type TenantId, tenantIdSchema } from "../tenant-id.ts";
import { type AuditEntry, auditStatement } from "./audit.ts";

export type WalletChangeState = "pending" | "done" | "canceled";

export interface WalletChange {
  readonly changeId: number;
  readonly tenantId: TenantId;
  readonly wallet: string;
  readonly requestedAtMs: number;
  /** The sweep that follows this time puts the wallet in its place. */
  readonly effectiveAtMs: number;
  readonly state: WalletChangeState;
}

const CHANGE_COLUMNS = `change_id, tenant_id, wallet_changes.wallet, requested_at_ms, effective_at_ms,
  state FROM wallet_changes JOIN tenants ON tenants.serial = wallet_changes.tenant_serial`;

const changeRowSchema = z
  .object({
    change_id: z.number().int(),
    tenant_id: tenantIdSchema,
    wallet: z.string(),
    requested_at_ms: z.number().int(),
    effective_at_ms: z.number().int(),
    state: z.enum(["pending", "done", "canceled"]),
  })
  .transform((row): WalletChange => ({
    changeId: row.change_id,
    tenantId: row.tenant_id,
    wallet: row.wallet,
    requestedAtMs: row.requested_at_ms,
    effectiveAtMs: row.effective_at_ms,
    state: row.state,
  }));

/** The change that waits; null when none does. */
export async function readPendingChange(
  db: D1Database,
  tenantSerial: number,
): Promise<WalletChange | null> {
  const row = await db
    .prepare(`SELECT ${CHANGE_COLUMNS} WHERE tenant_serial = ? AND state = 'pending'`)
    .bind(tenantSerial)
    .first();
  return row === null ? null : changeRowSchema.parse(row);
}

/**
 * Puts a change in the place of the one that waits, if one does.
 * @returns false when the wallet receives the payments of a tenant: it can't be paid out to
 */
export async function requestWalletChange(
  db: D1Database,
  tenantSerial: number,
  change: Pick<WalletChange, "wallet" | "requestedAtMs" | "effectiveAtMs">,
  audit: AuditEntry,
): Promise<boolean> {
  try {
    await db.batch([
      cancelStatement(db, tenantSerial),
      db
        .prepare(
          `INSERT INTO wallet_changes
             (tenant_serial, wallet, requested_at_ms, effective_at_ms, state, announced)
           VALUES (?, ?, ?, ?, 'pending', 0)`,
        )
        .bind(tenantSerial, change.wallet, change.requestedAtMs, change.effectiveAtMs),
      auditStatement(db, audit),
    ]);
    return true;
  } catch (error) {
    const isPaidThere = await db
      .prepare("SELECT 1 AS found FROM tenants WHERE pay_to = ?")
      .bind(change.wallet)
      .first();
    if (isPaidThere === null) throw error;
    return false;
  }
}

/** Nothing when none waits any more. @param audit stored in the same transaction */
export async function cancelWalletChange(
  db: D1Database,
  tenantSerial: number,
  audit: AuditEntry,
): Promise<void> {
  await db.batch([cancelStatement(db, tenantSerial), auditStatement(db, audit)]);
}

/** Puts the wallets in place whose time has come: of active tenants only. A canceled change does nothing. */
export async function applyDueChanges(db: D1Database, nowMs: number): Promise<void> {
  const due = `state = 'pending' AND effective_at_ms <= ?1`;
  // The wallets first: in one transaction, so that the second statement means the same changes.
  await db.batch([
    db
      .prepare(
        `UPDATE tenants SET wallet = (
           SELECT wallet FROM wallet_changes WHERE tenant_serial = tenants.serial AND ${due})
         WHERE status = 'active'
           AND serial IN (SELECT tenant_serial FROM wallet_changes WHERE ${due})`,
      )
      .bind(nowMs),
    db
      .prepare(
        `UPDATE wallet_changes SET announced = 0, state = CASE
           WHEN tenant_serial IN (SELECT serial FROM tenants WHERE status = 'active') THEN 'done'
           ELSE 'canceled' END
         WHERE ${due}`,
      )
      .bind(nowMs),
  ]);
}

/** Changes that operators have not been told of as they are now, oldest first. */
export async function listUnannounced(db: D1Database, limit: number): Promise<WalletChange[]> {
  const { results } = await db
    .prepare(`SELECT ${CHANGE_COLUMNS} WHERE announced = 0 ORDER BY change_id LIMIT ?`)
    .bind(limit)
    .all();
  return results.map((row) => changeRowSchema.parse(row));
}

/** Nothing when it is in another state by now, of which operators have to be told, too. */
export async function setAnnounced(
  db: D1Database,
  { changeId, state }: WalletChange,
): Promise<void> {
  await db
    .prepare("UPDATE wallet_changes SET announced = 1 WHERE change_id = ? AND state = ?")
    .bind(changeId, state)
    .run();
}

function cancelStatement(db: D1Database, tenantSerial: number): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE wallet_changes SET state = 'canceled', announced = 0
       WHERE tenant_serial = ? AND state = 'pending'`,
    )
    .bind(tenantSerial);
}
