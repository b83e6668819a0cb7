/** `GET /v1/egress/denials`: where a tenant's own code was not let through, by day and reason. */
import { Hono } from "hono";
import { listDenials } from "../tenant/directory/egress-denials.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

export const egress = new Hono<TenantEnv>();
egress.use(requireTenant);

egress.get("/denials", async (context) => {
  const { tenant } = context.var;
  return context.json({ denials: await listDenials(context.env.DB, tenant.tenantId) });
});
