import { type ConfigSource, configOf } from "../config.ts";
import type { LedgerAlert } from "../contracts/admin-payments.ts";
import { type AlertSource, insertAlerts } from "../tenant/directory/alerts.ts";
import { enqueueDeliveries } from "./alert-queue.ts";

/**
 * The one way of alerts: into D1, where operators list them, and onto the queue to the webhooks. Whoever raised them
 * keeps them until this has resolved, and publishes them again after any failure: what is stored is stored once, what
 * is delivered is not queued again, and nothing that happens in between loses one.
 */
export async function publishAlerts(
  env: Pick<Env, "DB" | "ALERTS"> & ConfigSource,
  source: AlertSource,
  alerts: readonly LedgerAlert[],
  nowMs: number,
): Promise<void> {
  const endpointIds = configOf(env).alerts.endpoints.map(({ id }) => id);
  const deliveryIds = await insertAlerts(env.DB, source, alerts, endpointIds, nowMs);
  await enqueueDeliveries(env.ALERTS, deliveryIds);
}
