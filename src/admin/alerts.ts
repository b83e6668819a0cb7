/**
 * `/admin/alerts` for all tenants, `/admin/tenants/{id}/alerts` for one: the first from D1, the second from its ledger;
 * and the alerts that a webhook did not take.
 */
import { Hono } from "hono";
import * as z from "zod";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { enqueueDeliveries } from "../alerts/alert-queue.ts";
import { redeliverRequestSchema } from "../contracts/admin-alerts.ts";
import { problem } from "../payment/problems/problem.ts";
import {
  limitBody,
  parseJsonBody,
  parseQuery,
  rowNumberSchema,
  SMALL_BODY_BYTES_MAX,
} from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { reviveDead } from "../tenant/directory/alert-deliveries.ts";
import { listAlerts } from "../tenant/directory/alerts.ts";
import { listDeadLetters, readDeadLetter } from "../tenant/directory/dead-letters.ts";
import { PLATFORM, tenantIdSchema } from "../tenant/tenant-id.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

const pageSchema = z.strictObject({
  cursor: rowNumberSchema.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

const platformPageSchema = pageSchema.extend({
  tenant: z.union([z.literal(PLATFORM), tenantIdSchema]).optional(),
  kind: z
    .string()
    .regex(/^[a-z_]{1,40}$/, "must be a kind of alert, for example settlement_missing")
    .optional(),
});

export const alerts = new Hono<TenantPathEnv>();

alerts.get("/alerts", requireOperator, async (context) => {
  const parsed = parseQuery(context.req.raw, platformPageSchema);
  if (!parsed.ok) return parsed.response;
  const { tenant, kind, cursor, limit } = parsed.value;
  const page = await listAlerts(context.env.DB, {
    tenantId: tenant ?? null,
    kind: kind ?? null,
    beforeId: cursor ?? null,
    limit,
  });
  return context.json(page);
});

alerts.get("/alerts/dead-letters", requireOperator, async (context) => {
  const parsed = parseQuery(context.req.raw, pageSchema);
  if (!parsed.ok) return parsed.response;
  const { cursor, limit } = parsed.value;
  return context.json(await listDeadLetters(context.env.DB, { beforeId: cursor ?? null, limit }));
});

alerts.post(
  "/alerts/dead-letters/:deadLetterId/redeliver",
  requireOperator,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const { DB: db, ALERTS: queue } = context.env;
    const id = rowNumberSchema.safeParse(context.req.param("deadLetterId"));
    const deadLetter = id.success ? await readDeadLetter(db, id.data) : null;
    if (deadLetter === null) return problem("not_found");
    const parsed = parseJsonBody(await context.req.text(), redeliverRequestSchema);
    if (!parsed.ok) return parsed.response;
    const { deadLetterId, endpointId, alert } = deadLetter;
    const nowMs = Date.now();
    await reviveDead(db, deadLetterId, nowMs, {
      atMs: nowMs,
      actor: "operator",
      operator: context.var.operator,
      tenantId: PLATFORM,
      action: "alert.redeliver",
      subject: `${alert.alertId}`,
      detail: { reason: parsed.value.reason, endpointId },
    });
    // When the queue does not take it, the sweep does.
    await enqueueDeliveries(queue, [deadLetterId]);
    return context.body(null, 202);
  },
);

alerts.get("/tenants/:tenantId/alerts", requireOperator, knownTenant, async (context) => {
  const parsed = parseQuery(context.req.raw, pageSchema);
  if (!parsed.ok) return parsed.response;
  const { cursor, limit } = parsed.value;
  const ledger = ledgerOf(context.env, context.var.tenantId);
  return context.json(await ledger.listAlerts({ beforeAlert: cursor ?? null, limit }));
});
