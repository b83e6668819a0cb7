/** What becomes of alerts at the operators' webhooks: one row for each pair, and the dead letters among them. */
import * as z from "zod";
import type { AlertDelivery } from "../../contracts/admin-alerts.ts";
import { type AuditEntry, auditStatement } from "./audit.ts";

/** The attempt that may be made now. */
export interface ClaimedDelivery {
  readonly deliveryId: number;
  readonly alertId: number;
  readonly endpointId: string;
  /** 1, 2, … */
  readonly attempt: number;
}

export type Claim =
  | { readonly claim: "granted"; readonly delivery: ClaimedDelivery }
  /** Not due yet, or another attempt is being made. */
  | { readonly claim: "early"; readonly dueAtMs: number }
  /** Delivered, given up or unknown. */
  | { readonly claim: "ended" };

const claimedRowSchema = z
  .object({
    delivery_id: z.number().int(),
    alert_id: z.number().int(),
    endpoint_id: z.string(),
    attempts: z.number().int(),
  })
  .transform((row): ClaimedDelivery => ({
    deliveryId: row.delivery_id,
    alertId: row.alert_id,
    endpointId: row.endpoint_id,
    attempt: row.attempts,
  }));

const deliveryRowSchema = z
  .object({
    alert_id: z.number().int(),
    endpoint_id: z.string(),
    state: z.enum(["pending", "delivered", "dead"]),
    attempts: z.number().int(),
    due_at_ms: z.number().int().nullable(),
    ended_at_ms: z.number().int().nullable(),
    last_error: z.string().nullable(),
  })
  .transform((row) => ({
    alertId: row.alert_id,
    delivery: {
      endpointId: row.endpoint_id,
      state: row.state,
      attempts: row.attempts,
      dueAtMs: row.due_at_ms,
      endedAtMs: row.ended_at_ms,
      lastError: row.last_error,
    } satisfies AlertDelivery,
  }));

const deliveryIdSchema = z.object({ delivery_id: z.number().int() });

/** Deliveries by alert, in the order of the configuration they were made by. */
export async function listDeliveries(
  db: D1Database,
  alertIds: readonly number[],
): Promise<ReadonlyMap<number, AlertDelivery[]>> {
  const { results } = await db
    .prepare(
      `SELECT alert_id, endpoint_id, state, attempts, due_at_ms, ended_at_ms, last_error
       FROM alert_deliveries WHERE alert_id IN (SELECT value FROM json_each(?))
       ORDER BY delivery_id`,
    )
    .bind(JSON.stringify(alertIds))
    .all();
  const byAlert = new Map<number, AlertDelivery[]>();
  for (const row of results) {
    const { alertId, delivery } = deliveryRowSchema.parse(row);
    byAlert.set(alertId, [...(byAlert.get(alertId) ?? []), delivery]);
  }
  return byAlert;
}

/**
 * Takes the right to make the next attempt, until `leaseEndsAtMs`: of two messages about one delivery, one gets it, in
 * a single statement of the database.
 */
export async function claimDelivery(
  db: D1Database,
  deliveryId: number,
  nowMs: number,
  leaseEndsAtMs: number,
): Promise<Claim> {
  const claimed = await db
    .prepare(
      `UPDATE alert_deliveries SET attempts = attempts + 1, due_at_ms = ?
       WHERE delivery_id = ? AND state = 'pending' AND due_at_ms <= ?
       RETURNING delivery_id, alert_id, endpoint_id, attempts`,
    )
    .bind(leaseEndsAtMs, deliveryId, nowMs)
    .first();
  if (claimed !== null) return { claim: "granted", delivery: claimedRowSchema.parse(claimed) };
  const dueAtMs = await db
    .prepare("SELECT due_at_ms FROM alert_deliveries WHERE delivery_id = ?")
    .bind(deliveryId)
    .first<number | null>("due_at_ms");
  return dueAtMs === null ? { claim: "ended" } : { claim: "early", dueAtMs };
}

/** A success counts whenever it arrives, also after somebody else took over. */
export async function recordDelivered(
  db: D1Database,
  { deliveryId }: ClaimedDelivery,
  nowMs: number,
): Promise<void> {
  await db
    .prepare(
      `UPDATE alert_deliveries SET state = 'delivered', due_at_ms = NULL, ended_at_ms = ?
       WHERE delivery_id = ? AND state <> 'delivered'`,
    )
    .bind(nowMs, deliveryId)
    .run();
}

/** Nothing when another attempt has been started since: what came of that one counts. */
export async function recordFailed(
  db: D1Database,
  { deliveryId, attempt }: ClaimedDelivery,
  error: string,
  dueAtMs: number,
): Promise<void> {
  await db
    .prepare(
      `UPDATE alert_deliveries SET due_at_ms = ?, last_error = ?
       WHERE delivery_id = ? AND state = 'pending' AND attempts = ?`,
    )
    .bind(dueAtMs, error, deliveryId, attempt)
    .run();
}

/** Gives it up. @param error null: whatever came of the last attempt */
export async function recordDead(
  db: D1Database,
  deliveryId: number,
  error: string | null,
  nowMs: number,
): Promise<void> {
  await db
    .prepare(
      `UPDATE alert_deliveries SET state = 'dead', due_at_ms = NULL, ended_at_ms = ?,
         last_error = COALESCE(?, last_error, 'no attempt was recorded')
       WHERE delivery_id = ? AND state = 'pending'`,
    )
    .bind(nowMs, error, deliveryId)
    .run();
}

/** Makes pending deliveries that were due before then due now. @returns at most `limit` of them */
export async function reviveOverdue(
  db: D1Database,
  dueBeforeMs: number,
  nowMs: number,
  limit: number,
): Promise<number[]> {
  const { results } = await db
    .prepare(
      `UPDATE alert_deliveries SET due_at_ms = ?1 WHERE delivery_id IN (
         SELECT delivery_id FROM alert_deliveries WHERE state = 'pending' AND due_at_ms < ?2
         ORDER BY due_at_ms LIMIT ?3)
       RETURNING delivery_id`,
    )
    .bind(nowMs, dueBeforeMs, limit)
    .all();
  return results.map((row) => deliveryIdSchema.parse(row).delivery_id);
}

/** Makes a dead letter due again, from the first attempt on. @param audit stored in the same transaction */
export async function reviveDead(
  db: D1Database,
  deliveryId: number,
  nowMs: number,
  audit: AuditEntry,
): Promise<void> {
  await db.batch([
    auditStatement(db, audit),
    db
      .prepare(
        `UPDATE alert_deliveries
         SET state = 'pending', attempts = 0, due_at_ms = ?, ended_at_ms = NULL
         WHERE delivery_id = ? AND state = 'dead'`,
      )
      .bind(nowMs, deliveryId),
  ]);
}
