/** Alerts of all ledgers and of the platform, for operators: copies, which arrive a moment after they were raised. */
import * as z from "zod";
import { severityOf } from "../../alerts/alert-severity.ts";
import type { PlatformAlert, PlatformAlertList } from "../../contracts/admin-alerts.ts";
import type { LedgerAlert } from "../../contracts/admin-payments.ts";
import type { Scope } from "../tenant-id.ts";
import { listDeliveries } from "./alert-deliveries.ts";

/** Who raised an alert. */
export interface AlertSource {
  readonly tenantId: Scope;
  /** Tells objects apart that raise alerts about the same scope; empty for a tenant's ledger, which is alone. */
  readonly object: string;
}

export const ALERT_COLUMNS =
  "alerts.alert_id, tenant_id, ledger_alert, kind, payment_id, detail, at_ms";

export const alertRowSchema = z
  .object({
    alert_id: z.number().int(),
    tenant_id: z.string(),
    ledger_alert: z.number().int(),
    kind: z.string(),
    payment_id: z.string().nullable(),
    detail: z.string(),
    at_ms: z.number().int(),
  })
  .transform((row): PlatformAlert => ({
    alertId: row.alert_id,
    tenantId: row.tenant_id,
    alert: row.ledger_alert,
    kind: row.kind,
    severity: severityOf(row.kind),
    paymentId: row.payment_id,
    detail: row.detail,
    atMs: row.at_ms,
  }));

/**
 * Takes in alerts of one source with a delivery of each to each of the webhooks, all or none. What is here already
 * stays as it is.
 *
 * @returns the deliveries of these alerts that are due now.
 */
export async function insertAlerts(
  db: D1Database,
  source: AlertSource,
  alerts: readonly LedgerAlert[],
  endpointIds: readonly string[],
  nowMs: number,
): Promise<number[]> {
  const insertAlert = db.prepare(
    `INSERT INTO alerts (tenant_id, source, ledger_alert, kind, payment_id, detail, at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, source, ledger_alert) DO NOTHING`,
  );
  const numbers = JSON.stringify(alerts.map(({ alert }) => alert));
  const theseAlerts =
    "tenant_id = ?1 AND source = ?2 AND ledger_alert IN (SELECT value FROM json_each(?3))";
  const insertDeliveries = db
    .prepare(
      `INSERT INTO alert_deliveries (alert_id, endpoint_id, state, attempts, due_at_ms)
       SELECT alert_id, endpoints.value, 'pending', 0, ?4 FROM alerts, json_each(?5) AS endpoints
       WHERE ${theseAlerts} ON CONFLICT (alert_id, endpoint_id) DO NOTHING`,
    )
    .bind(source.tenantId, source.object, numbers, nowMs, JSON.stringify(endpointIds));
  const dueDeliveries = db
    .prepare(
      `SELECT delivery_id FROM alert_deliveries JOIN alerts USING (alert_id)
       WHERE ${theseAlerts} AND due_at_ms <= ?4 ORDER BY delivery_id`,
    )
    .bind(source.tenantId, source.object, numbers, nowMs);
  const results = await db.batch<{ delivery_id?: number }>([
    ...alerts.map(({ alert, kind, paymentId, detail, atMs }) =>
      insertAlert.bind(source.tenantId, source.object, alert, kind, paymentId, detail, atMs),
    ),
    insertDeliveries,
    dueDeliveries,
  ]);
  const due = results.at(-1)?.results ?? [];
  return due.flatMap(({ delivery_id: deliveryId }) => deliveryId ?? []);
}

export interface PlatformAlertQuery {
  readonly tenantId: Scope | null;
  readonly kind: string | null;
  /** Id of the last alert of the page before. */
  readonly beforeId: number | null;
  readonly limit: number;
}

/** The newest to arrive first. */
export async function listAlerts(
  db: D1Database,
  query: PlatformAlertQuery,
): Promise<PlatformAlertList> {
  const { results } = await db
    .prepare(
      `SELECT ${ALERT_COLUMNS} FROM alerts
       WHERE (?1 IS NULL OR tenant_id = ?1) AND (?2 IS NULL OR kind = ?2)
         AND (?3 IS NULL OR alert_id < ?3)
       ORDER BY alert_id DESC LIMIT ?4`,
    )
    .bind(query.tenantId, query.kind, query.beforeId, query.limit + 1)
    .all();
  const alerts = results.map((row) => alertRowSchema.parse(row));
  const shown = alerts.slice(0, query.limit);
  const deliveries = await listDeliveries(
    db,
    shown.map(({ alertId }) => alertId),
  );
  return {
    alerts: shown.map((alert) => ({ ...alert, deliveries: deliveries.get(alert.alertId) ?? [] })),
    nextCursor: alerts.length > query.limit ? `${shown.at(-1)?.alertId ?? ""}` : null,
  };
}

/** @throws Error when there is none: alerts are never deleted. */
export async function readAlert(db: D1Database, alertId: number): Promise<PlatformAlert> {
  const row = await db
    .prepare(`SELECT ${ALERT_COLUMNS} FROM alerts WHERE alert_id = ?`)
    .bind(alertId)
    .first();
  return alertRowSchema.parse(row);
}
