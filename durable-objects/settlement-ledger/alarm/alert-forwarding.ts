import { publishAlerts } from "../../../src/alerts/publish-alerts.ts";
import type { TenantId } from "../../../src/tenant/tenant-id.ts";
import type { AlertRows } from "../store/alert-rows.ts";
import { logFailure } from "../log-failure.ts";

/** Alerts per alarm; more than these at once come with the alarms that follow. */
const BATCH_SIZE = 50;
/** While the directory or the queue is out of reach: the alert is safe in the ledger, and operators can read it there. */
const RETRY_MS = 30_000;

/**
 * Hands alerts to the platform, where operators see all tenants' at once and are told of them. One that is handed over
 * twice, because the reply was lost, is one there.
 */
export async function forwardAlerts(
  alerts: AlertRows,
  env: Env,
  tenantId: TenantId,
  now: () => number,
): Promise<void> {
  const waiting = alerts.waiting(now(), BATCH_SIZE);
  if (waiting.length === 0) return;
  try {
    await publishAlerts(env, { tenantId, object: "" }, waiting, now());
    alerts.setForwardAt(waiting, null);
  } catch (error) {
    logFailure("alerts", error);
    alerts.setForwardAt(waiting, now() + RETRY_MS);
  }
}
