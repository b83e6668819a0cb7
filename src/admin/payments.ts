/** `/admin/tenants/{id}/payments`: one payment with everything that explains it, and what an operator can do to it. */
import { type Context, Hono } from "hono";
import * as z from "zod";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import {
  type AdminPaymentDetail,
  type ResolveReply,
  type ResolveResponse,
  resolveRequestSchema,
  retryRequestSchema,
  shownStateSchema,
} from "../contracts/admin-payments.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { problem, type ProblemCode } from "../payment/problems/problem.ts";
import {
  limitBody,
  parseJsonBody,
  parseQuery,
  SMALL_BODY_BYTES_MAX,
} from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { auditStatement, listAudit } from "../tenant/directory/audit.ts";
import type { TenantId } from "../tenant/tenant-id.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

/** What operators did about one payment: a handful, ever. */
const AUDIT_ENTRIES_SHOWN = 50;

const listQuerySchema = z.strictObject({
  state: shownStateSchema.optional(),
  /** Seconds since the claim. */
  olderThan: z.coerce.number().int().min(0).max(1_000_000_000).optional(),
  cursor: z.string().max(128).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

const REFUSALS = {
  not_found: "not_found",
  decided: "payment_decided",
  in_flight: "attempt_in_flight",
  evidence_required: "evidence_required",
  nothing_to_release: "nothing_to_release",
} as const satisfies Record<
  Exclude<ResolveReply["result"], "proven" | "operator_unproven">,
  ProblemCode
>;

export const payments = new Hono<TenantPathEnv>();
payments.use("/tenants/:tenantId/payments/*", requireOperator, knownTenant);

payments.get("/tenants/:tenantId/payments", async (context) => {
  const parsed = parseQuery(context.req.raw, listQuerySchema);
  if (!parsed.ok) return parsed.response;
  const { state, olderThan, cursor, limit } = parsed.value;
  const page = await ledgerOf(context.env, context.var.tenantId).listPayments({
    state: state ?? null,
    claimedUntilMs: olderThan === undefined ? null : Date.now() - olderThan * 1_000,
    cursor: cursor ?? null,
    limit,
  });
  return context.json(page);
});

payments.get("/tenants/:tenantId/payments/:paymentId", async (context) => {
  const { tenantId } = context.var;
  const paymentId = context.req.param("paymentId");
  if (tenantOfPaymentId(paymentId) !== tenantId) return problem("not_found");
  const [payment, audit] = await Promise.all([
    ledgerOf(context.env, tenantId).inspectPayment(paymentId),
    listAudit(context.env.DB, { tenantId, subject: paymentId, limit: AUDIT_ENTRIES_SHOWN }),
  ]);
  if (payment === null) return problem("not_found");
  const answer: AdminPaymentDetail = {
    ...payment,
    audit: audit.map(({ subject: _subject, tenantId: _tenantId, ...entry }) => entry),
  };
  return context.json(answer);
});

payments.post(
  "/tenants/:tenantId/payments/:paymentId/retry",
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const { tenantId } = context.var;
    const paymentId = context.req.param("paymentId");
    if (!(await isPaymentOf(context.env, tenantId, paymentId))) return problem("not_found");
    const parsed = parseJsonBody(await context.req.text(), retryRequestSchema);
    if (!parsed.ok) return parsed.response;
    await audited(context, "payment.retry", paymentId, parsed.value);
    const reply = await ledgerOf(context.env, tenantId).retryPayment(paymentId);
    return reply.result === "accepted"
      ? context.json(reply.payment, 202)
      : problem(REFUSALS[reply.result]);
  },
);

payments.post(
  "/tenants/:tenantId/payments/:paymentId/resolve",
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const { tenantId } = context.var;
    const paymentId = context.req.param("paymentId");
    if (!(await isPaymentOf(context.env, tenantId, paymentId))) return problem("not_found");
    const parsed = parseJsonBody(await context.req.text(), resolveRequestSchema);
    if (!parsed.ok) return parsed.response;
    const { resolution, transaction = null, reason } = parsed.value;
    await audited(context, "payment.resolve", paymentId, {
      resolution,
      transaction,
      reason,
    });
    const reply = await ledgerOf(context.env, tenantId).resolvePayment(paymentId, {
      resolution,
      transaction,
    });
    switch (reply.result) {
      case "proven":
      case "operator_unproven": {
        const proof = reply.result === "proven" ? "chain" : "none";
        return context.json({ proof, payment: reply.payment } satisfies ResolveResponse);
      }
      default:
        return problem(REFUSALS[reply.result]);
    }
  },
);

/** Nothing is put on record about payments that do not exist, nor about another tenant's. */
async function isPaymentOf(env: Env, tenantId: TenantId, paymentId: string): Promise<boolean> {
  if (tenantOfPaymentId(paymentId) !== tenantId) return false;
  return (await ledgerOf(env, tenantId).inspectPayment(paymentId)) !== null;
}

/** Before the ledger does anything: what is not on record must not happen. */
async function audited(
  { env, var: { operator, tenantId } }: Context<TenantPathEnv>,
  action: "payment.retry" | "payment.resolve",
  paymentId: string,
  detail: Readonly<Record<string, string | null>>,
): Promise<void> {
  const entry = {
    atMs: Date.now(),
    actor: "operator",
    operator,
    tenantId,
    action,
    subject: paymentId,
  } as const;
  await auditStatement(env.DB, { ...entry, detail }).run();
}
