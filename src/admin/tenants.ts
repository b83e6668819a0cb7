/** `/admin/tenants`: every tenant there ever was, one with all that concerns it, its lost keys and its end. */
import { Hono } from "hono";
import * as z from "zod";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { AdminTenantDetail, AdminTenantList } from "../contracts/admin-api.ts";
import { type CreatedApiKey, issueApiKeyRequestSchema } from "../contracts/api-keys.ts";
import { deleteTenantRequestSchema } from "../contracts/tenant-lifecycle.ts";
import { problem } from "../payment/problems/problem.ts";
import { deletionAnswer, refuseUnconfirmed } from "../tenant-api/deletion-answer.ts";
import { freshApiKey } from "../tenant-api/fresh-api-key.ts";
import { networkOf } from "../tenant-api/network.ts";
import {
  limitBody,
  parseJsonBody,
  parseQuery,
  rowNumberSchema,
  SMALL_BODY_BYTES_MAX,
} from "../tenant-api/request.ts";
import { requireOperator } from "../tenant-api/require-operator.ts";
import { deleteTenant } from "../tenant/delete-tenant.ts";
import { insertApiKey, listApiKeys } from "../tenant/directory/api-keys.ts";
import { listAudit } from "../tenant/directory/audit.ts";
import { listLatestDatasets } from "../tenant/directory/datasets.ts";
import { readActiveSnapshot } from "../tenant/directory/deployments.ts";
import { listTenants } from "../tenant/directory/tenants.ts";
import { knownTenant, type TenantPathEnv } from "./known-tenant.ts";

/** The newest keys and audit entries are shown with a tenant; older ones stay in the directory. */
const API_KEYS_SHOWN = 50;
const AUDIT_ENTRIES_SHOWN = 50;

const listQuerySchema = z.strictObject({
  /** Serial of the last tenant of the page before. */
  cursor: rowNumberSchema.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

export const tenants = new Hono<TenantPathEnv>();

tenants.get("/tenants", requireOperator, async (context) => {
  const query = parseQuery(context.req.raw, listQuerySchema);
  if (!query.ok) return query.response;
  const { cursor, limit } = query.value;
  const found = await listTenants(context.env.DB, { afterSerial: cursor ?? 0, limit: limit + 1 });
  const shown = found.slice(0, limit);
  const answer: AdminTenantList = {
    tenants: shown,
    nextCursor: found.length > limit ? `${shown.at(-1)?.serial ?? 0}` : null,
  };
  return context.json(answer);
});

tenants.get("/tenants/:tenantId", requireOperator, knownTenant, async (context) => {
  const { DB: db } = context.env;
  const { tenant } = context.var;
  const ledger = ledgerOf(context.env, tenant.tenantId);
  const { caip2, asset } = networkOf(context.env, tenant);
  const [snapshot, datasets, apiKeys, audit, balance, open, { suspension }] = await Promise.all([
    readActiveSnapshot(db, tenant.tenantId),
    listLatestDatasets(db, tenant.serial),
    listApiKeys(db, tenant.serial, API_KEYS_SHOWN),
    listAudit(db, { tenantId: tenant.tenantId, limit: AUDIT_ENTRIES_SHOWN }),
    ledger.readBalance({ network: caip2, asset: asset.address }),
    ledger.readOpenBusiness(),
    ledger.readContainment(),
  ]);
  const answer: AdminTenantDetail = {
    ...tenant,
    deploymentId: snapshot?.deploymentId ?? null,
    routes: snapshot?.routes ?? [],
    datasets: datasets.map(({ store: _store, ...dataset }) => dataset),
    apiKeys,
    suspension,
    open,
    balance,
    audit,
  };
  return context.json(answer);
});

tenants.post(
  "/tenants/:tenantId/keys",
  requireOperator,
  knownTenant,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const parsed = parseJsonBody(await context.req.text(), issueApiKeyRequestSchema);
    if (!parsed.ok) return parsed.response;
    const { tenant, operator } = context.var;
    if (tenant.status === "deleted") return problem("not_found");
    const { reason, revokeOthers } = parsed.value;
    const { DB: db } = context.env;
    const nowMs = Date.now();
    const { apiKey, record } = await freshApiKey(nowMs, null);
    const others = revokeOthers ? "revoked" : "kept";
    const entry = {
      atMs: nowMs,
      actor: "operator",
      operator,
      tenantId: tenant.tenantId,
      action: "api_key.create",
      subject: record.prefix,
      detail: { reason, others },
    } as const;
    if (!(await insertApiKey(db, tenant.serial, record, entry, others))) {
      return problem("too_many_api_keys", { detail: "Send revokeOthers, or have one revoked." });
    }
    const { prefix, createdAtMs, expiresAtMs } = record;
    const answer: CreatedApiKey = {
      tenantId: tenant.tenantId,
      apiKey,
      prefix,
      createdAtMs,
      expiresAtMs,
    };
    return context.json(answer, 201);
  },
);

tenants.post(
  "/tenants/:tenantId/delete",
  requireOperator,
  knownTenant,
  limitBody(SMALL_BODY_BYTES_MAX),
  async (context) => {
    const parsed = parseJsonBody(await context.req.text(), deleteTenantRequestSchema);
    if (!parsed.ok) return parsed.response;
    const { tenant, operator } = context.var;
    const { confirm, reason } = parsed.value;
    const refusal = refuseUnconfirmed(tenant.tenantId, confirm);
    if (refusal !== null) return refusal;
    const order = { actor: { actor: "operator", operator }, reason } as const;
    return deletionAnswer(
      tenant.tenantId,
      await deleteTenant(context.env, tenant, order, Date.now()),
    );
  },
);
