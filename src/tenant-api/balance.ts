import { Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { networkOf } from "./network.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** `GET /v1/balance`: what the tenant earned and can be paid out, from its ledger. */
export const balance = new Hono<TenantEnv>();

balance.get("/", requireTenant, async (context) => {
  const { tenant } = context.var;
  const { caip2, asset } = networkOf(context.env, tenant);
  const ledger = ledgerOf(context.env, tenant.tenantId);
  return context.json(await ledger.readBalance({ network: caip2, asset: asset.address }));
});
