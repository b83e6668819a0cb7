/** `DELETE /v1/tenant?confirm={id}`: a tenant leaves. Export first: afterwards its key opens nothing. */
import { Hono } from "hono";
import { deleteOwnTenantQuerySchema } from "../contracts/tenant-lifecycle.ts";
import { deleteTenant } from "../tenant/delete-tenant.ts";
import { deletionAnswer, refuseUnconfirmed } from "./deletion-answer.ts";
import { parseQuery } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

export const tenant = new Hono<TenantEnv>();

tenant.delete("/", requireTenant, async (context) => {
  const query = parseQuery(context.req.raw, deleteOwnTenantQuerySchema);
  if (!query.ok) return query.response;
  const { tenant: own } = context.var;
  const { confirm, reason } = query.value;
  const refusal = refuseUnconfirmed(own.tenantId, confirm);
  if (refusal !== null) return refusal;
  const order = { actor: { actor: "tenant" }, reason } as const;
  return deletionAnswer(own.tenantId, await deleteTenant(context.env, own, order, Date.now()));
});
