/**
 * Giving money back to whoever paid: `POST /v1/payments/{paymentId}/refund`, `POST /v1/deposits/{depositId}/refund`, and
 * what became of it. Of one payment or deposit it happens once, so that no Idempotency-Key is needed.
 */
import { type Context, Hono } from "hono";
import * as z from "zod";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { problem } from "../payment/problems/problem.ts";
import type { RefundSource } from "../settlement/payment.ts";
import { auditStatement } from "../tenant/directory/audit.ts";
import { refundAnswer, refundRefused } from "./refund-answer.ts";
import { parseQuery } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

export const depositListQuerySchema = z.strictObject({
  /** The last id of the page before. */
  cursor: z.string().max(128).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const refunds = new Hono<TenantEnv>();

refunds.post("/payments/:id/refund", requireTenant, (context) =>
  refund(context, { kind: "payment", id: context.req.param("id") }),
);

refunds.post("/deposits/:id/refund", requireTenant, (context) =>
  refund(context, { kind: "deposit", id: context.req.param("id") }),
);

refunds.get("/deposits", requireTenant, async (context) => {
  const parsed = parseQuery(context.req.raw, depositListQuerySchema);
  if (!parsed.ok) return parsed.response;
  const { cursor = null, limit } = parsed.value;
  const ledger = ledgerOf(context.env, context.var.tenant.tenantId);
  return context.json(await ledger.listDeposits({ cursor, limit }));
});

refunds.get("/refunds/:refundId", requireTenant, async (context) => {
  const refundId = context.req.param("refundId");
  const { tenantId } = context.var.tenant;
  if (tenantOfPaymentId(refundId) !== tenantId) return problem("not_found");
  const found = await ledgerOf(context.env, tenantId).readRefund(refundId);
  return found === null ? problem("not_found") : context.json(found);
});

async function refund(context: Context<TenantEnv>, source: RefundSource): Promise<Response> {
  const { tenant } = context.var;
  const { tenantId } = tenant;
  if (tenantOfPaymentId(source.id) !== tenantId) return problem("not_found");
  const refused = refundRefused(tenant);
  if (refused !== null) return refused;
  // Before the ledger moves anything: a request that is not on record must not move money.
  await auditStatement(context.env.DB, {
    atMs: Date.now(),
    actor: "tenant",
    tenantId,
    action: `${source.kind}.refund`,
    subject: source.id,
    detail: {},
  }).run();
  return refundAnswer(await ledgerOf(context.env, tenantId).requestRefund({ source }));
}
