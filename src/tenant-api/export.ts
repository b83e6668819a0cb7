/** `GET /v1/export`: a tenant takes along what the platform keeps of it (src/contracts/export.ts). */
import { Hono } from "hono";
import { exportAnswer, exportRowsAnswer } from "./export-answer.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

export const tenantExport = new Hono<TenantEnv>();
tenantExport.use(requireTenant);

tenantExport.get("/", (context) => exportAnswer(context.env, context.var.tenant, context.req.url));

tenantExport.get("/datasets/:name/:version", (context) =>
  exportRowsAnswer(
    context.env,
    context.var.tenant,
    context.req.param("name"),
    context.req.param("version"),
  ),
);
