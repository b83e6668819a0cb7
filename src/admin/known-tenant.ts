import { createMiddleware } from "hono/factory";
import { problem } from "../payment/problem.ts";
import { readTenant } from "../tenant/directory/tenants.ts";
import { type TenantId, parseTenantId } from "../tenant/tenant-id.ts";

export type TenantPathEnv = { Bindings: Env; Variables: { tenantId: TenantId } };

/** Lets requests about tenants of the directory pass, deleted ones too: a ledger is never opened by a name alone. */
export const knownTenant = createMiddleware<TenantPathEnv>(async (context, next) => {
  const tenantId = parseTenantId(context.req.param("tenantId") ?? "");
  if (tenantId === null || (await readTenant(context.env.DB, tenantId)) === null) {
    return problem("not_found");
  }
  context.set("tenantId", tenantId);
  return next();
});
