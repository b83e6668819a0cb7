/** `/admin/tenants/{id}/…/refund`: what is owed to a payer, given back by an operator. With a reason, and on record. */
import { type Context, Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { refundRequestSchema } from "../contracts/admin-payments.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { problem } from "../payment/problems/problem.ts";
import type { RefundSource } from "../settlement/payment.ts";
import { refundAnswer, refundRefused } from "../tenant-api/refund-answer.ts";
import { depositListQuerySchema } from "../tenant-api/refunds.ts";
import {
  limitBody,
  parseJsonBody,
  parseQuery,
  SMALL_BODY_BYTES_MAX,
} from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { auditStatement } from "../tenant/directory/audit.ts";
import { readTenant } from "../tenant/directory/tenants.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

export const refunds = new Hono<TenantPathEnv>();
refunds.use("/tenants/:tenantId/deposits", requireOperator, knownTenant);

refunds.get("/tenants/:tenantId/deposits", async (context) => {
  const parsed = parseQuery(context.req.raw, depositListQuerySchema);
  if (!parsed.ok) return parsed.response;
  const { cursor = null, limit } = parsed.value;
  const ledger = ledgerOf(context.env, context.var.tenantId);
  return context.json(await ledger.listDeposits({ cursor, limit }));
});

refunds.post(
  "/tenants/:tenantId/payments/:id/refund",
  requireOperator,
  knownTenant,
  limitBody(SMALL_BODY_BYTES_MAX),
  (context) => refund(context, { kind: "payment", id: context.req.param("id") }),
);

refunds.post(
  "/tenants/:tenantId/deposits/:id/refund",
  requireOperator,
  knownTenant,
  limitBody(SMALL_BODY_BYTES_MAX),
  (context) => refund(context, { kind: "deposit", id: context.req.param("id") }),
);

async function refund(context: Context<TenantPathEnv>, source: RefundSource): Promise<Response> {
  const { tenantId } = context.var;
  if (tenantOfPaymentId(source.id) !== tenantId) return problem("not_found");
  const parsed = parseJsonBody(await context.req.text(), refundRequestSchema);
  if (!parsed.ok) return parsed.response;
  const tenant = await readTenant(context.env.DB, tenantId);
  if (tenant === null) return problem("not_found");
  const refused = refundRefused(tenant);
  if (refused !== null) return refused;
  // Before the ledger does anything: what is not on record must not happen.
  await auditStatement(context.env.DB, {
    atMs: Date.now(),
    actor: "operator",
    operator: context.var.operator,
    tenantId,
    action: `${source.kind}.refund`,
    subject: source.id,
    detail: { reason: parsed.value.reason },
  }).run();
  return refundAnswer(await ledgerOf(context.env, tenantId).requestRefund({ source }));
}
