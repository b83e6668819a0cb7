/** `/admin/alerts` for all tenants, `/admin/tenants/{id}/alerts` for one: the first from D1, the second from its ledger. */
import { Hono } from "hono";
import * as z from "zod";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { parseQuery } from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { listAlerts } from "../tenant/directory/alerts.ts";
import { PLATFORM, tenantIdSchema } from "../tenant/tenant-id.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

const pageSchema = z.strictObject({
  cursor: z
    .string()
    .regex(/^[1-9][0-9]{0,14}$/, "must be the nextCursor of a page")
    .transform(Number)
    .optional(),
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

alerts.get("/tenants/:tenantId/alerts", requireOperator, knownTenant, async (context) => {
  const parsed = parseQuery(context.req.raw, pageSchema);
  if (!parsed.ok) return parsed.response;
  const { cursor, limit } = parsed.value;
  const ledger = ledgerOf(context.env, context.var.tenantId);
  return context.json(await ledger.listAlerts({ beforeAlert: cursor ?? null, limit }));
});
