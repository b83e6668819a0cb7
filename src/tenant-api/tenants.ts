/** `POST /v1/tenants`: an operator makes a tenant and learns its API key, this once. */
import { Hono } from "hono";
import { configOf } from "../config.ts";
import { addressSchema } from "../contracts/address.ts";
import { type CreateTenantResponse, createTenantRequestSchema } from "../contracts/tenant-api.ts";
import {
  findTenantConflict,
  insertTenant,
  takeSerial,
  type TenantConflict,
} from "../tenant/directory/create-tenant.ts";
import { publishTenant } from "../tenant/publish-tenant.ts";
import type { TenantId } from "../tenant/tenant-id.ts";
import { swallowsMoney } from "../tenant/wallets.ts";
import { freshApiKey } from "./fresh-api-key.ts";
import { networkOfNewTenants } from "./network.ts";
import { limitBody, parseJsonBody, refuse, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireOperator } from "./require-operator.ts";
import { refuseUnproved, walletChallenges } from "./wallet-challenges.ts";

export const tenants = new Hono<{ Bindings: Env }>();
tenants.route("/wallet-challenges", walletChallenges);

tenants.post("/", requireOperator, limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody(await context.req.text(), createTenantRequestSchema);
  if (!parsed.ok) return parsed.response;
  const { walletProof, ...request } = parsed.value;
  const config = configOf(context.env);
  if (swallowsMoney(request.wallet, config)) {
    return refuse("invalid_request", [
      { field: "wallet", message: "must be an account that can hold the asset" },
    ]);
  }
  const conflict = await findTenantConflict(context.env.DB, request);
  if (conflict !== null) return conflictAnswer(conflict);
  if (walletProof !== undefined) {
    const unproved = await refuseUnproved(context.env, request, walletProof);
    if (unproved !== null) return unproved;
  }

  const createdAtMs = Date.now();
  const { apiKey, record } = await freshApiKey(createdAtMs, null);
  const serial = await takeSerial(context.env.DB);
  const tenant = {
    ...request,
    serial,
    network: networkOfNewTenants(config).caip2,
    payTo:
      request.collection === "direct"
        ? request.wallet
        : addressSchema.parse(await context.env.DEPOSIT_SIGNER.depositAddress(serial)),
    createdAtMs,
  };
  const lateConflict = await insertTenant(context.env.DB, tenant, record, context.var.operator);
  if (lateConflict !== null) return conflictAnswer(lateConflict);
  await publishBestEffort(context.env, tenant.tenantId);
  const answer: CreateTenantResponse = {
    tenantId: tenant.tenantId,
    apiKey,
    payTo: tenant.payTo,
    plan: tenant.plan,
    wallet: tenant.wallet,
    collection: tenant.collection,
  };
  return context.json(answer, 201);
});

function conflictAnswer(conflict: TenantConflict): Response {
  switch (conflict) {
    case "tenantId":
      return refuse("tenant_exists", [
        { field: "tenantId", message: "is taken: ids are never reused" },
      ]);
    case "wallet":
      return refuse("tenant_exists", [
        {
          field: "wallet",
          message: "is where a tenant is paid, or is paid out to: choose another",
        },
      ]);
    default:
      return conflict satisfies never;
  }
}

/** The key is shown this once, so KV must not fail the answer; the first deployment publishes anyway. */
async function publishBestEffort(env: Env, tenantId: TenantId): Promise<void> {
  try {
    await publishTenant(env, tenantId, Date.now());
  } catch (error) {
    console.warn(JSON.stringify({ event: "tenant_not_published", tenantId, error: String(error) }));
  }
}
