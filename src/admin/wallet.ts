/** `/admin/tenants/{id}/wallet`: what its tenant sees, and the operators' way to cancel a change. */
import { Hono } from "hono";
import * as z from "zod";
import { problem } from "../payment/problems/problem.ts";
import { reasonSchema } from "../contracts/admin-payments.ts";
import { limitBody, parseJsonBody, SMALL_BODY_BYTES_MAX } from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { announceSoon, walletView } from "../tenant-api/wallet.ts";
import { readTenant } from "../tenant/directory/tenants.ts";
import { cancelWalletChange } from "../tenant/directory/wallet-changes.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

const cancelRequestSchema = z.strictObject({ reason: reasonSchema });

export const wallet = new Hono<TenantPathEnv>();
wallet.use("/tenants/:tenantId/wallet/*", requireOperator, knownTenant);

wallet.get("/tenants/:tenantId/wallet", async (context) => {
  const tenant = await readTenant(context.env.DB, context.var.tenantId);
  if (tenant === null) return problem("not_found");
  return context.json(await walletView(context.env.DB, tenant));
});

wallet.post(
  "/tenants/:tenantId/wallet/cancel",
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const { operator, tenantId } = context.var;
    const parsed = parseJsonBody(await context.req.text(), cancelRequestSchema);
    if (!parsed.ok) return parsed.response;
    const tenant = await readTenant(context.env.DB, tenantId);
    if (tenant === null) return problem("not_found");
    const { pending } = await walletView(context.env.DB, tenant);
    if (pending === null) return problem("not_found");
    await cancelWalletChange(context.env.DB, tenant.serial, {
      atMs: Date.now(),
      actor: "operator",
      operator,
      tenantId,
      action: "wallet.cancel",
      subject: pending.wallet,
      detail: { reason: parsed.value.reason },
    });
    await announceSoon(context.env);
    return context.json(await walletView(context.env.DB, tenant));
  },
);
