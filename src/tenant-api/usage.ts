/** `GET /v1/usage`: what the tenant used today and this month, what is left of its budgets, whether it is suspended. */
import { Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { UsageReport } from "../contracts/usage.ts";
import { budgetUses, periodAt } from "../tenant/budgets.ts";
import { readEffectiveLimits } from "../tenant/directory/limit-overrides.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

export const usage = new Hono<TenantEnv>();

usage.get("/", requireTenant, async (context) =>
  context.json(await readUsageReport(context.env, context.var.tenant)),
);

/** As the tenant and operators see it. */
export async function readUsageReport(env: Env, tenant: TenantRecord): Promise<UsageReport> {
  const [state, limits] = await Promise.all([
    ledgerOf(env, tenant.tenantId).readContainment(),
    readEffectiveLimits(env.DB, tenant, Date.now()),
  ]);
  const { day, month } = state.usage;
  return {
    suspension: state.suspension,
    today: { ...day, ...boundsAt("day", state.atMs) },
    month: { ...month, ...boundsAt("month", state.atMs) },
    budgets: budgetUses(state.usage, limits),
  };
}

function boundsAt(...at: Parameters<typeof periodAt>) {
  const { fromMs, untilMs } = periodAt(...at);
  return { fromMs, untilMs };
}
