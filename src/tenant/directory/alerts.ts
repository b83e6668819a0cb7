/** Alerts of all ledgers and of the platform, for operators: copies, which arrive a moment after they were raised. */
import * as z from "zod";
import type { LedgerAlert, PlatformAlertList } from "../../contracts/admin-payments.ts";
import type { Scope } from "../tenant-id.ts";

const alertRowSchema = z.object({
  alert_id: z.number().int(),
  tenant_id: z.string(),
  ledger_alert: z.number().int(),
  kind: z.string(),
  payment_id: z.string().nullable(),
  detail: z.string(),
  at_ms: z.number().int(),
});

/** Takes in alerts of one ledger or of the platform, all or none. Those that are here already stay as they are. */
export async function insertAlerts(
  db: D1Database,
  tenantId: Scope,
  alerts: readonly LedgerAlert[],
): Promise<void> {
  const statement = db.prepare(
    `INSERT INTO alerts (tenant_id, ledger_alert, kind, payment_id, detail, at_ms)
     VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant_id, ledger_alert) DO NOTHING`,
  );
  await db.batch(
    alerts.map(({ alert, kind, paymentId, detail, atMs }) =>
      statement.bind(tenantId, alert, kind, paymentId, detail, atMs),
    ),
  );
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
      `SELECT alert_id, tenant_id, ledger_alert, kind, payment_id, detail, at_ms FROM alerts
       WHERE (?1 IS NULL OR tenant_id = ?1) AND (?2 IS NULL OR kind = ?2)
         AND (?3 IS NULL OR alert_id < ?3)
       ORDER BY alert_id DESC LIMIT ?4`,
    )
    .bind(query.tenantId, query.kind, query.beforeId, query.limit + 1)
    .all();
  const rows = results.map((row) => alertRowSchema.parse(row));
  const shown = rows.slice(0, query.limit);
  return {
    alerts: shown.map((row) => ({
      tenantId: row.tenant_id,
      alert: row.ledger_alert,
      kind: row.kind,
      paymentId: row.payment_id,
      detail: row.detail,
      atMs: row.at_ms,
    })),
    nextCursor: rows.length > query.limit ? `${shown.at(-1)?.alert_id ?? ""}` : null,
  };
}
