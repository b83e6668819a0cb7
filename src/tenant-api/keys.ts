/** `/v1/keys`: a tenant's API keys. A key is shown once, when it is made; from then on its prefix is its name. */
import { Hono } from "hono";
import {
  type ApiKeyList,
  type CreatedApiKey,
  createApiKeyRequestSchema,
  type RotatedApiKey,
  rotateApiKeyRequestSchema,
} from "../contracts/api-keys.ts";
import { problem } from "../payment/problems/problem.ts";
import { apiKeyPrefix, hashApiKey, parseApiKey } from "../tenant/api-key.ts";
import { bearerCredential } from "../tenant/credentials.ts";
import {
  API_KEYS_MAX,
  insertApiKey,
  listApiKeys,
  revokeApiKey,
} from "../tenant/directory/api-keys.ts";
import { type FreshApiKey, freshApiKey } from "./fresh-api-key.ts";
import { limitBody, parseJsonBody, refuse, SMALL_BODY_BYTES_MAX } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";

/** All that are valid, and the last few of the others. */
const API_KEYS_SHOWN = 50;

export const keys = new Hono<TenantEnv>();
keys.use(requireTenant);

keys.get("/", async (context) => {
  const { serial } = context.var.tenant;
  const prefix = apiKeyPrefix(presentedKey(context.req.raw));
  const known = await listApiKeys(context.env.DB, serial, API_KEYS_SHOWN);
  const list: ApiKeyList = {
    keys: known.map((key) => ({ ...key, current: key.prefix === prefix })),
  };
  return context.json(list);
});

keys.post("/", limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody((await context.req.text()) || "{}", createApiKeyRequestSchema);
  if (!parsed.ok) return parsed.response;
  const { tenantId, serial } = context.var.tenant;
  const nowMs = Date.now();
  const expiresAtMs = parsed.value.expiresAt ?? null;
  if (expiresAtMs !== null && expiresAtMs <= nowMs) {
    return refuse("invalid_request", [{ field: "expiresAt", message: "must be in the future" }]);
  }
  const { DB: db } = context.env;
  const fresh = await freshApiKey(nowMs, expiresAtMs);
  const isWritten = await insertApiKey(db, serial, fresh.record, {
    atMs: nowMs,
    actor: "tenant",
    tenantId,
    action: "api_key.create",
    subject: fresh.record.prefix,
    detail: { expiresAtMs },
  });
  if (!isWritten) return tooMany();
  return context.json({ tenantId, ...shownOnce(fresh) } satisfies CreatedApiKey, 201);
});

keys.post("/rotate", limitBody(SMALL_BODY_BYTES_MAX), async (context) => {
  const parsed = parseJsonBody((await context.req.text()) || "{}", rotateApiKeyRequestSchema);
  if (!parsed.ok) return parsed.response;
  const { tenantId, serial } = context.var.tenant;
  const nowMs = Date.now();
  const { DB: db } = context.env;
  const old = presentedKey(context.req.raw);
  const replaced = {
    prefix: apiKeyPrefix(old),
    expiresAtMs: nowMs + parsed.value.overlapSeconds * 1_000,
  };
  const fresh = await freshApiKey(nowMs, null);
  const entry = {
    atMs: nowMs,
    actor: "tenant",
    tenantId,
    action: "api_key.rotate",
    subject: fresh.record.prefix,
    detail: { replaced: replaced.prefix, replacedExpiresAtMs: replaced.expiresAtMs },
  } as const;
  const isWritten = await insertApiKey(db, serial, fresh.record, entry, {
    expire: await hashApiKey(old),
    atMs: replaced.expiresAtMs,
  });
  if (!isWritten) return tooMany();
  const answer: RotatedApiKey = { tenantId, ...shownOnce(fresh), replaced };
  return context.json(answer, 201);
});

keys.delete("/:prefix", async (context) => {
  const { tenantId, serial } = context.var.tenant;
  const prefix = context.req.param("prefix");
  const outcome = await revokeApiKey(context.env.DB, serial, prefix, {
    atMs: Date.now(),
    actor: "tenant",
    tenantId,
    action: "api_key.revoke",
    subject: prefix,
    detail: {},
  });
  switch (outcome) {
    case "revoked":
      return context.body(null, 204);
    case "unknown":
      return problem("not_found");
    case "last":
      return problem("last_api_key");
    default:
      return outcome satisfies never;
  }
});

function shownOnce({ apiKey, record }: FreshApiKey): Omit<CreatedApiKey, "tenantId"> {
  const { prefix, createdAtMs, expiresAtMs } = record;
  return { apiKey, prefix, createdAtMs, expiresAtMs };
}

function tooMany(): Response {
  return problem("too_many_api_keys", {
    detail: `At most ${API_KEYS_MAX} are valid at a time: revoke one first.`,
  });
}

/** The key that `requireTenant` let pass. */
function presentedKey(request: Request) {
  const key = parseApiKey(bearerCredential(request) ?? "");
  if (key === null) throw new Error("requireTenant lets API keys pass only");
  return key;
}
