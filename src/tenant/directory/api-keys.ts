/** API keys in D1: hashes only. */
import * as z from "zod";
import { type TenantRecord, TENANT_COLUMNS, tenantRowSchema } from "./tenants.ts";

/** What is kept of a key. */
export interface ApiKeyDigest {
  /** SHA-256, lower-case hex. */
  readonly hash: string;
  readonly prefix: string;
}

const apiKeyRowSchema = z
  .object({
    prefix: z.string(),
    created_at_ms: z.number().int(),
    expires_at_ms: z.number().int().nullable(),
    revoked_at_ms: z.number().int().nullable(),
  })
  .transform((row) => ({
    prefix: row.prefix,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
  }));
export type ApiKeyRecord = z.infer<typeof apiKeyRowSchema>;

/** The insert of one key that does not expire, for the batch of the change. */
export function apiKeyStatement(
  db: D1Database,
  tenantSerial: number,
  apiKey: ApiKeyDigest,
  nowMs: number,
): D1PreparedStatement {
  return db
    .prepare(
      "INSERT INTO api_keys (key_hash, tenant_serial, prefix, created_at_ms) VALUES (?, ?, ?, ?)",
    )
    .bind(apiKey.hash, tenantSerial, apiKey.prefix, nowMs);
}

/** The tenant a key opens now: null for a key unknown, expired or revoked, and for a tenant that is not active. */
export async function findTenantByApiKeyHash(
  db: D1Database,
  keyHash: string,
  nowMs: number,
): Promise<TenantRecord | null> {
  const row = await db
    .prepare(
      `SELECT ${TENANT_COLUMNS} FROM api_keys JOIN tenants ON tenants.serial = api_keys.tenant_serial
       WHERE api_keys.key_hash = ?1
         AND (api_keys.expires_at_ms IS NULL OR api_keys.expires_at_ms > ?2)
         AND api_keys.revoked_at_ms IS NULL
         AND tenants.status = 'active'`,
    )
    .bind(keyHash, nowMs)
    .first();
  return row === null ? null : tenantRowSchema.parse(row);
}

/** Newest first, at most `limit`. */
export async function listApiKeys(
  db: D1Database,
  tenantSerial: number,
  limit: number,
): Promise<ApiKeyRecord[]> {
  const { results } = await db
    .prepare(
      `SELECT prefix, created_at_ms, expires_at_ms, revoked_at_ms FROM api_keys
       WHERE tenant_serial = ? ORDER BY created_at_ms DESC LIMIT ?`,
    )
    .bind(tenantSerial, limit)
    .all();
  return results.map((row) => apiKeyRowSchema.parse(row));
}
