/** `POST /v1/tenants`: an operator makes a tenant and learns its API key, this once. */
import { Hono } from "hono";
import { configOf, type NetworkConfig } from "../config.ts";
import {
  addressSchema,
  type CreateTenantResponse,
  createTenantRequestSchema,
} from "../contracts/tenant-api.ts";
import {
  API_KEY_RANDOM_BYTES,
  type ApiKey,
  apiKeyPrefix,
  hashApiKey,
  makeApiKey,
} from "../tenant/api-key.ts";
import {
  findTenantConflict,
  insertTenant,
  takeSerial,
  type TenantConflict,
} from "../tenant/directory/create-tenant.ts";
import { publishTenant } from "../tenant/publish-tenant.ts";
import type { TenantId } from "../tenant/tenant-id.ts";
import { limitBody, parseJsonBody, refuse, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireOperator } from "./require-operator.ts";

const ZERO_ADDRESS = `0x${"00".repeat(20)}`;

export const tenants = new Hono<{ Bindings: Env }>();

tenants.post("/", requireOperator, limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody(await context.req.text(), createTenantRequestSchema);
  if (!parsed.ok) return parsed.response;
  const request = parsed.value;
  if (request.collection === "direct") {
    return refuse("invalid_request", [
      {
        field: "collection",
        message: "must be treasury: direct needs a proof of the wallet, which is not yet available",
      },
    ]);
  }
  const { networks } = configOf(context.env);
  if (swallowsPayouts(request.wallet, networks)) {
    return refuse("invalid_request", [
      { field: "wallet", message: "must be an account that can hold the asset" },
    ]);
  }
  const conflict = await findTenantConflict(context.env.DB, request);
  if (conflict !== null) return conflictAnswer(conflict);

  const apiKey = makeApiKey(crypto.getRandomValues(new Uint8Array(API_KEY_RANDOM_BYTES)));
  const serial = await takeSerial(context.env.DB);
  const tenant = {
    ...request,
    serial,
    // New tenants sell on the first network configured.
    network: firstOf(networks).caip2,
    payTo: addressSchema.parse(await context.env.DEPOSIT_SIGNER.depositAddress(serial)),
    createdAtMs: Date.now(),
  };
  const lateConflict = await insertTenant(context.env.DB, tenant, await digestOf(apiKey));
  if (lateConflict !== null) return conflictAnswer(lateConflict);
  await publishBestEffort(context.env, tenant.tenantId);
  const answer: CreateTenantResponse = {
    tenantId: tenant.tenantId,
    apiKey,
    payTo: tenant.payTo,
    plan: tenant.plan,
    wallet: tenant.wallet,
  };
  return context.json(answer, 201);
});

/** Payouts to the zero address or to the token itself revert, or are lost. */
function swallowsPayouts(wallet: string, networks: readonly NetworkConfig[]): boolean {
  return wallet === ZERO_ADDRESS || networks.some((network) => network.asset.address === wallet);
}

function conflictAnswer(conflict: TenantConflict): Response {
  switch (conflict) {
    case "tenantId":
      return refuse("tenant_exists", [
        { field: "tenantId", message: "is taken: ids are never reused" },
      ]);
    case "wallet":
      return refuse("tenant_exists", [
        { field: "wallet", message: "receives the payments of a tenant: choose another" },
      ]);
    default:
      return conflict satisfies never;
  }
}

async function digestOf(apiKey: ApiKey) {
  return { hash: await hashApiKey(apiKey), prefix: apiKeyPrefix(apiKey) };
}

/** The key is shown this once, so KV must not fail the answer; the first deployment publishes anyway. */
async function publishBestEffort(env: Env, tenantId: TenantId): Promise<void> {
  try {
    await publishTenant(env, tenantId, Date.now());
  } catch (error) {
    console.warn(JSON.stringify({ event: "tenant_not_published", tenantId, error: String(error) }));
  }
}

function firstOf(networks: readonly NetworkConfig[]): NetworkConfig {
  const [network] = networks;
  if (network === undefined) throw new Error("the configuration has at least one network");
  return network;
}
