/**
 * `/admin/tenants/{id}/suspend`, …/resume and …/usage: stops a tenant's new payments at once, and takes them again. With a
 * reason, and on record.
 */
import { type Context, Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import {
  type Suspension,
  type SuspensionState,
  resumeRequestSchema,
  suspendRequestSchema,
} from "../contracts/usage.ts";
import { problem } from "../payment/problems/problem.ts";
import { limitBody, parseJsonBody, refuse, SMALL_BODY_BYTES_MAX } from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { readUsageReport } from "../tenant-api/usage.ts";
import { auditStatement } from "../tenant/directory/audit.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

export const suspension = new Hono<TenantPathEnv>();

suspension.get("/tenants/:tenantId/usage", requireOperator, knownTenant, async (context) =>
  context.json(await readUsageReport(context.env, context.var.tenant)),
);

suspension.post(
  "/tenants/:tenantId/suspend",
  requireOperator,
  knownTenant,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const parsed = parseJsonBody(await context.req.text(), suspendRequestSchema);
    if (!parsed.ok) return parsed.response;
    const { reason, expiresAt = null } = parsed.value;
    const nowMs = Date.now();
    if (expiresAt !== null && expiresAt <= nowMs) {
      return refuse("invalid_request", [{ field: "expiresAt", message: "must be in the future" }]);
    }
    const { operator } = context.var;
    const suspended = { reason, by: operator, sinceMs: nowMs, untilMs: expiresAt };
    return await setSuspension(context, suspended, reason);
  },
);

suspension.post(
  "/tenants/:tenantId/resume",
  requireOperator,
  knownTenant,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const parsed = parseJsonBody(await context.req.text(), resumeRequestSchema);
    return parsed.ok ? await setSuspension(context, null, parsed.value.reason) : parsed.response;
  },
);

/** @param suspended null resumes */
async function setSuspension(
  context: Context<TenantPathEnv>,
  suspended: Suspension | null,
  reason: string,
): Promise<Response> {
  const { tenantId, tenant, operator } = context.var;
  // Its ledger is closed for good.
  if (tenant.status === "deleted") return problem("not_found");
  // Before the ledger does anything: what is not on record must not happen.
  await auditStatement(context.env.DB, {
    atMs: Date.now(),
    actor: "operator",
    operator,
    tenantId,
    action: suspended === null ? "tenant.resume" : "tenant.suspend",
    subject: tenantId,
    detail: { reason, untilMs: suspended?.untilMs ?? null },
  }).run();
  await ledgerOf(context.env, tenantId).setSuspension(suspended);
  return context.json({ suspension: suspended } satisfies SuspensionState);
}
