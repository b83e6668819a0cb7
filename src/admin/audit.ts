/** `GET /admin/audit`: who did what, for all tenants and the platform. */
import { Hono } from "hono";
import * as z from "zod";
import { configIdSchema } from "../config-source.ts";
import type { AuditList } from "../contracts/admin-api.ts";
import { parseQuery, rowNumberSchema } from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { listAudit } from "../tenant/directory/audit.ts";
import { PLATFORM, tenantIdSchema } from "../tenant/tenant-id.ts";

const querySchema = z.strictObject({
  tenant: z.union([z.literal(PLATFORM), tenantIdSchema]).optional(),
  operator: configIdSchema.optional(),
  /** Id of the last entry of the page before. */
  cursor: rowNumberSchema.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const audit = new Hono<{ Bindings: Env }>();

audit.get("/audit", requireOperator, async (context) => {
  const parsed = parseQuery(context.req.raw, querySchema);
  if (!parsed.ok) return parsed.response;
  const { tenant: tenantId, operator, cursor: beforeId, limit } = parsed.value;
  const query = { tenantId, operator, beforeId, limit: limit + 1 };
  const entries = await listAudit(context.env.DB, query);
  const shown = entries.slice(0, limit);
  const nextCursor = entries.length > limit ? `${shown.at(-1)?.auditId ?? ""}` : null;
  return context.json({ entries: shown, nextCursor } satisfies AuditList);
});
