import { createMiddleware } from "hono/factory";
import { problem } from "../payment/problems/problem.ts";
import type { OperatorEnv } from "../tenant-api/require-operator.ts";
import { readTenant, type TenantRecord } from "../tenant/directory/tenants.ts";
import { type TenantId, parseTenantId } from "../tenant/tenant-id.ts";

/** For handlers behind `requireOperator` and `knownTenant`. */
export interface TenantPathEnv {
  readonly Bindings: Env;
  readonly Variables: OperatorEnv["Variables"] & {
    readonly tenantId: TenantId;
    readonly tenant: TenantRecord;
  };
}

/** Lets requests about tenants of the directory pass, deleted ones too: a ledger is never opened by a name alone. */
export const knownTenant = createMiddleware<TenantPathEnv>(async (context, next) => {
  const tenantId = parseTenantId(context.req.param("tenantId") ?? "");
  const tenant = tenantId === null ? null : await readTenant(context.env.DB, tenantId);
  if (tenant === null) return problem("not_found");
  context.set("tenantId", tenant.tenantId);
  context.set("tenant", tenant);
  return next();
});
