/** API keys in D1: hashes only. */
import * as z from "zod";
import { type AuditEntry, auditStatement } from "./audit.ts";
import { type TenantRecord, TENANT_COLUMNS, tenantRowSchema } from "./tenants.ts";

/** What is kept of a key. */
export interface ApiKeyDigest {
  /** SHA-256, lower-case hex. */
  readonly hash: string;
  readonly prefix: string;
}

/** Valid at one time: one per machine or person, and those of a rotation. */
export const API_KEYS_MAX = 10;

/** Keys that are no longer valid and still listed, so that an owner finds the one that stopped working. */
const INVALID_KEYS_KEPT = 20;

const IS_VALID = `revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ?2)`;

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

/** A key about to be written. */
export interface NewApiKey extends ApiKeyDigest {
  readonly createdAtMs: number;
  /** Null for a key that does not expire. */
  readonly expiresAtMs: number | null;
}

/** The insert of one key, for the batch of the change. */
export function apiKeyStatement(
  db: D1Database,
  tenantSerial: number,
  apiKey: NewApiKey,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO api_keys (key_hash, tenant_serial, prefix, created_at_ms, expires_at_ms)
       VALUES (?, ?, ?, ?, ?)`,
    )
    .bind(apiKey.hash, tenantSerial, apiKey.prefix, apiKey.createdAtMs, apiKey.expiresAtMs);
}

async function countValidApiKeys(
  db: D1Database,
  tenantSerial: number,
  nowMs: number,
): Promise<number> {
  const count = await db
    .prepare(`SELECT COUNT(*) AS count FROM api_keys WHERE tenant_serial = ?1 AND ${IS_VALID}`)
    .bind(tenantSerial, nowMs)
    .first("count");
  return z.number().int().parse(count);
}

/** What happens to the tenant's other keys in the batch that writes a further one. */
export type OtherKeys = "kept" | "revoked" | { readonly expire: string; readonly atMs: number };

/**
 * Writes a further key with its audit entry, and forgets the oldest of those that are no longer valid.
 *
 * @param others an `expire`d key is named by its hash; it ends at `atMs`, or before if it ends before
 * @returns whether it was written: false when too many are valid already
 */
export async function insertApiKey(
  db: D1Database,
  tenantSerial: number,
  apiKey: NewApiKey,
  entry: AuditEntry,
  others: OtherKeys = "kept",
): Promise<boolean> {
  const { hash, prefix, createdAtMs, expiresAtMs } = apiKey;
  try {
    await db.batch([
      others === "revoked"
        ? apiKeyStatement(db, tenantSerial, apiKey)
        : db
            .prepare(
              // Counted in the same statement as it is written, for requests at the same time: one too many has no
              // tenant, which fails its whole batch.
              `INSERT INTO api_keys (key_hash, tenant_serial, prefix, created_at_ms, expires_at_ms)
               SELECT ?3, CASE WHEN COUNT(*) < ?6 THEN ?1 END, ?4, ?2, ?5
               FROM api_keys WHERE tenant_serial = ?1 AND ${IS_VALID}`,
            )
            .bind(tenantSerial, createdAtMs, hash, prefix, expiresAtMs, API_KEYS_MAX),
      ...otherKeysStatements(db, tenantSerial, apiKey, others),
      db
        .prepare(
          `DELETE FROM api_keys WHERE key_hash IN (
             SELECT key_hash FROM api_keys WHERE tenant_serial = ?1 AND NOT (${IS_VALID})
             ORDER BY created_at_ms DESC LIMIT -1 OFFSET ?3)`,
        )
        .bind(tenantSerial, createdAtMs, INVALID_KEYS_KEPT),
      auditStatement(db, entry),
    ]);
    return true;
  } catch (error) {
    // Where the others go, none is too many.
    if (others === "revoked") throw error;
    if ((await countValidApiKeys(db, tenantSerial, createdAtMs)) < API_KEYS_MAX) throw error;
    return false;
  }
}

function otherKeysStatements(
  db: D1Database,
  tenantSerial: number,
  apiKey: NewApiKey,
  others: OtherKeys,
): D1PreparedStatement[] {
  switch (others) {
    case "kept":
      return [];
    case "revoked":
      return [revokeOthersStatement(db, tenantSerial, apiKey)];
    default:
      return [expireStatement(db, others.expire, others.atMs)];
  }
}

/** Ends a key at a time, unless it ends before. */
function expireStatement(
  db: D1Database,
  keyHash: string,
  expiresAtMs: number,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE api_keys SET expires_at_ms =
         MAX(created_at_ms + 1, MIN(COALESCE(expires_at_ms, ?2), ?2))
       WHERE key_hash = ?1`,
    )
    .bind(keyHash, expiresAtMs);
}

/** Revokes all keys of a tenant but one. */
function revokeOthersStatement(
  db: D1Database,
  tenantSerial: number,
  kept: NewApiKey,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE api_keys SET revoked_at_ms = MAX(created_at_ms, ?2)
       WHERE tenant_serial = ?1 AND key_hash <> ?3 AND revoked_at_ms IS NULL`,
    )
    .bind(tenantSerial, kept.createdAtMs, kept.hash);
}

/**
 * Revokes a key, with its audit entry. A trigger keeps the last valid one, whoever else revokes at the same time.
 *
 * @returns `unknown` when the tenant has no valid key of this prefix
 */
export async function revokeApiKey(
  db: D1Database,
  tenantSerial: number,
  prefix: string,
  entry: AuditEntry,
): Promise<"revoked" | "unknown" | "last"> {
  const { atMs: nowMs } = entry;
  const isKnown = await db
    .prepare(`SELECT 1 FROM api_keys WHERE tenant_serial = ?1 AND prefix = ?3 AND ${IS_VALID}`)
    .bind(tenantSerial, nowMs, prefix)
    .first();
  if (isKnown === null) return "unknown";
  try {
    await db.batch([
      db
        .prepare(
          `UPDATE api_keys SET revoked_at_ms = MAX(created_at_ms, ?2)
           WHERE tenant_serial = ?1 AND prefix = ?3 AND ${IS_VALID}`,
        )
        .bind(tenantSerial, nowMs, prefix),
      auditStatement(db, entry),
    ]);
    return "revoked";
  } catch (error) {
    if ((await countValidApiKeys(db, tenantSerial, nowMs)) > 1) throw error;
    return "last";
  }
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
