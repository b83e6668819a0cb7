/** `/admin`: what operators see of the directory, the ledgers and the facilitators. Mounted by the dispatcher. */
import { Hono } from "hono";
import { noStore } from "../tenant-api/no-store.ts";
import { alerts } from "./alerts.ts";
import { audit } from "./audit.ts";
import { egress } from "./egress.ts";
import { tenantExport } from "./export.ts";
import { facilitators } from "./facilitators.ts";
import { limitOverrides } from "./limit-overrides.ts";
import { payments } from "./payments.ts";
import { reconciliation } from "./reconciliation.ts";
import { secrets } from "./secrets.ts";
import { refunds } from "./refunds.ts";
import { tenants } from "./tenants.ts";
import { suspension } from "./suspension.ts";
import { wallet } from "./wallet.ts";

export const adminApi = new Hono<{ Bindings: Env }>();
adminApi.use(noStore);
adminApi.route("/", tenants).route("/", tenantExport);
adminApi.route("/", audit).route("/", wallet).route("/", secrets).route("/", egress);
adminApi.route("/", payments).route("/", alerts).route("/", reconciliation);
adminApi
  .route("/", facilitators)
  .route("/", refunds)
  .route("/", suspension)
  .route("/", limitOverrides);
