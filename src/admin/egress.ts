/** `GET /admin/tenants/{id}/egress/denials`: the same as its tenant sees under `/v1`. */
import { Hono } from "hono";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { listDenials } from "../tenant/directory/egress-denials.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

export const egress = new Hono<TenantPathEnv>();

egress.get("/tenants/:tenantId/egress/denials", requireOperator, knownTenant, async (context) =>
  context.json({ denials: await listDenials(context.env.DB, context.var.tenantId) }),
);
