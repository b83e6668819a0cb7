/** `/admin`: what operators see of the directory, the ledgers and the facilitators. Mounted by the dispatcher. */
import { Hono } from "hono";
import * as z from "zod";
import type { AdminTenantDetail, AdminTenantList } from "../contracts/admin-api.ts";
import { problem } from "../payment/problem.ts";
import { noStore } from "../tenant-api/no-store.ts";
import { parseQuery } from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { listApiKeys } from "../tenant/directory/api-keys.ts";
import { listAudit } from "../tenant/directory/audit.ts";
import { listLatestDatasets } from "../tenant/directory/datasets.ts";
import { readActiveSnapshot } from "../tenant/directory/deployments.ts";
import { listTenants, readTenant } from "../tenant/directory/tenants.ts";
import { parseTenantId } from "../tenant/tenant-id.ts";
import { alerts } from "./alerts.ts";
import { egress } from "./egress.ts";
import { facilitators } from "./facilitators.ts";
import { payments } from "./payments.ts";
import { reconciliation } from "./reconciliation.ts";
import { secrets } from "./secrets.ts";
import { refunds } from "./refunds.ts";

/** The newest keys and audit entries are shown with a tenant; older ones stay in the directory. */
const API_KEYS_SHOWN = 50;
const AUDIT_ENTRIES_SHOWN = 50;

const listQuerySchema = z.strictObject({
  /** Serial of the last tenant of the page before. */
  cursor: z
    .string()
    .regex(/^[1-9][0-9]{0,14}$/, "must be the nextCursor of a page")
    .transform(Number)
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const adminApi = new Hono<{ Bindings: Env }>();
adminApi.use(noStore);
adminApi.route("/", secrets).route("/", egress);
adminApi.route("/", payments).route("/", alerts).route("/", reconciliation);
adminApi.route("/", facilitators).route("/", refunds);

adminApi.get("/tenants", requireOperator, async (context) => {
  const query = parseQuery(context.req.raw, listQuerySchema);
  if (!query.ok) return query.response;
  const { cursor, limit } = query.value;
  const tenants = await listTenants(context.env.DB, { afterSerial: cursor ?? 0, limit });
  const answer: AdminTenantList = {
    tenants,
    nextCursor: tenants.length < limit ? null : `${tenants.at(-1)?.serial ?? 0}`,
  };
  return context.json(answer);
});

adminApi.get("/tenants/:tenantId", requireOperator, async (context) => {
  const { DB: db } = context.env;
  const tenantId = parseTenantId(context.req.param("tenantId"));
  const tenant = tenantId === null ? null : await readTenant(db, tenantId);
  if (tenant === null) return problem("not_found");
  const [snapshot, datasets, apiKeys, audit] = await Promise.all([
    readActiveSnapshot(db, tenant.tenantId),
    listLatestDatasets(db, tenant.serial),
    listApiKeys(db, tenant.serial, API_KEYS_SHOWN),
    listAudit(db, tenant.tenantId, AUDIT_ENTRIES_SHOWN),
  ]);
  const answer: AdminTenantDetail = {
    ...tenant,
    routes: snapshot?.routes ?? [],
    datasets: datasets.map(({ store: _store, ...dataset }) => dataset),
    apiKeys,
    audit,
  };
  return context.json(answer);
});
