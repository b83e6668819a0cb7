/** `GET /admin/tenants/{id}/export`: the same as its tenant gets, also after the tenant was deleted. */
import { Hono } from "hono";
import { exportAnswer, exportRowsAnswer } from "../tenant-api/export-answer.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

export const tenantExport = new Hono<TenantPathEnv>();

tenantExport.get("/tenants/:tenantId/export", requireOperator, knownTenant, (context) =>
  exportAnswer(context.env, context.var.tenant, context.req.url),
);

tenantExport.get(
  "/tenants/:tenantId/export/datasets/:name/:version",
  requireOperator,
  knownTenant,
  (context) =>
    exportRowsAnswer(
      context.env,
      context.var.tenant,
      context.req.param("name"),
      context.req.param("version"),
    ),
);
