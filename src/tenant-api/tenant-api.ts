/** `/v1`: the control plane for tenants, and for the operator who makes them. Mounted by the dispatcher. */
import { Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { problem } from "../payment/problems/problem.ts";
import { balance } from "./balance.ts";
import { datasets } from "./datasets.ts";
import { deployments } from "./deployments.ts";
import { egress } from "./egress.ts";
import { tenantExport } from "./export.ts";
import { keys } from "./keys.ts";
import { limitOverrides, limits } from "./limit-overrides.ts";
import { noStore } from "./no-store.ts";
import { payouts } from "./payouts.ts";
import { receipts } from "./receipts.ts";
import { secrets } from "./secrets.ts";
import { refunds } from "./refunds.ts";
import { scripts } from "./scripts.ts";
import { tenant } from "./tenant.ts";
import { tenants } from "./tenants.ts";
import { wallet } from "./wallet.ts";
import { usage } from "./usage.ts";

export const tenantApi = new Hono<{ Bindings: Env }>();

tenantApi.use(
  methodNotAllowed({
    app: tenantApi,
    onMethodNotAllowed: (_context, methods) =>
      problem("method_not_allowed", { headers: { Allow: methods.join(", ") } }),
  }),
);

tenantApi.use(noStore);

tenantApi
  .route("/tenants", tenants)
  .route("/tenant", tenant)
  .route("/export", tenantExport)
  .route("/keys", keys)
  .route("/datasets", datasets)
  .route("/scripts", scripts)
  .route("/secrets", secrets)
  .route("/egress", egress)
  .route("/limits", limits)
  .route("/limit-overrides", limitOverrides)
  .route("/deployments", deployments)
  .route("/receipts", receipts)
  .route("/balance", balance)
  .route("/usage", usage)
  .route("/payouts", payouts)
  .route("/wallet", wallet)
  .route("/", refunds);

tenantApi.all("*", () => problem("not_found"));
