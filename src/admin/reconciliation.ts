/** `/admin/tenants/{id}/reconciliation`: the books against the chain, as last compared. POST compares now. */
import { Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { ReconciliationList } from "../contracts/admin-payments.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

export const reconciliation = new Hono<TenantPathEnv>();
reconciliation.use("/tenants/:tenantId/reconciliation", requireOperator, knownTenant);

reconciliation.get("/tenants/:tenantId/reconciliation", async (context) => {
  const reconciliations = await ledgerOf(context.env, context.var.tenantId).listReconciliations();
  return context.json({ reconciliations } satisfies ReconciliationList);
});

/** Moves nothing, so it is not audited. The result is there a moment later. */
reconciliation.post("/tenants/:tenantId/reconciliation", async (context) => {
  const ledger = ledgerOf(context.env, context.var.tenantId);
  await ledger.requestReconciliation();
  return context.json(
    { reconciliations: await ledger.listReconciliations() } satisfies ReconciliationList,
    202,
  );
});
