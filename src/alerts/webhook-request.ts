/** An alert as a signed webhook: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
import { Webhook } from "standardwebhooks";
import type { PlatformAlert } from "../contracts/admin-alerts.ts";
import type { HttpRequest } from "../facilitator/http-exchange.ts";
import type { AlertEndpoint } from "./alert-config.ts";

/**
 * The same id for every attempt and every endpoint, by which receivers recognise what they have already; a timestamp
 * and a signature of its own for every attempt, because receivers refuse old ones.
 */
export function webhookRequest(
  alert: PlatformAlert,
  endpoint: AlertEndpoint,
  nowMs: number,
): HttpRequest {
  const id = `alert_${alert.alertId}`;
  const at = new Date(nowMs);
  const body = JSON.stringify({
    type: `alert.${alert.kind}`,
    timestamp: new Date(alert.atMs).toISOString(),
    data: alert,
  });
  return {
    method: "POST",
    url: endpoint.url,
    headers: {
      "Content-Type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": `${Math.floor(nowMs / 1_000)}`,
      "webhook-signature": new Webhook(endpoint.secret).sign(id, at, body),
    },
    body,
  };
}
