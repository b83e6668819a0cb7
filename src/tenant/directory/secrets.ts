/** Tenants' secrets in D1: encrypted, by name. */
import * as z from "zod";
import type { SealedSecret, SecretView } from "../../contracts/secrets.ts";
import { type TenantId, tenantIdSchema } from "../tenant-id.ts";
import { auditStatement } from "./audit.ts";
import type { TenantRecord } from "./tenants.ts";

const viewRowSchema = z
  .object({ name: z.string(), updated_at_ms: z.number().int() })
  .transform((row): SecretView => ({ name: row.name, updatedAtMs: row.updated_at_ms }));

const sealedRowSchema = z.object({ name: z.string(), key_id: z.string(), sealed: z.string() });

const storedRowSchema = sealedRowSchema.extend({
  tenant_serial: z.number().int(),
  tenant_id: tenantIdSchema,
  status: z.string(),
});

/** A secret with all that tells it apart from the others of the platform. */
export interface StoredSecret extends SealedSecret {
  readonly tenantSerial: number;
  readonly tenantId: TenantId;
  readonly name: string;
  /** Whether the tenant has a snapshot to publish. */
  readonly isActive: boolean;
}

/** Writes a secret, in the place of the one of this name if there is one, with its audit entry. */
export async function putSecret(
  db: D1Database,
  tenant: TenantRecord,
  name: string,
  { keyId, sealed }: SealedSecret,
  nowMs: number,
): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO tenant_secrets (tenant_serial, name, key_id, sealed, updated_at_ms)
         VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (tenant_serial, name) DO UPDATE
         SET key_id = excluded.key_id, sealed = excluded.sealed, updated_at_ms = excluded.updated_at_ms`,
      )
      .bind(tenant.serial, name, keyId, sealed, nowMs),
    auditStatement(db, {
      atMs: nowMs,
      actor: "tenant",
      tenantId: tenant.tenantId,
      action: "secret.put",
      subject: name,
      detail: { keyId },
    }),
  ]);
}

export async function deleteSecret(
  db: D1Database,
  tenant: TenantRecord,
  name: string,
  nowMs: number,
): Promise<void> {
  await db.batch([
    db
      .prepare("DELETE FROM tenant_secrets WHERE tenant_serial = ? AND name = ?")
      .bind(tenant.serial, name),
    auditStatement(db, {
      atMs: nowMs,
      actor: "tenant",
      tenantId: tenant.tenantId,
      action: "secret.delete",
      subject: name,
      detail: {},
    }),
  ]);
}

/** Names and times, by name. */
export async function listSecrets(db: D1Database, tenantSerial: number): Promise<SecretView[]> {
  const { results } = await db
    .prepare("SELECT name, updated_at_ms FROM tenant_secrets WHERE tenant_serial = ? ORDER BY name")
    .bind(tenantSerial)
    .all();
  return results.map((row) => viewRowSchema.parse(row));
}

/** All secrets of a tenant as they are stored, by name. */
export async function readSealedSecrets(
  db: D1Database,
  tenantSerial: number,
): Promise<Record<string, SealedSecret>> {
  const { results } = await db
    .prepare(
      "SELECT name, key_id, sealed FROM tenant_secrets WHERE tenant_serial = ? ORDER BY name",
    )
    .bind(tenantSerial)
    .all();
  const secrets = results.map((row) => sealedRowSchema.parse(row));
  return Object.fromEntries(
    secrets.map(({ name, key_id: keyId, sealed }) => [name, { keyId, sealed }]),
  );
}

/** Secrets of any tenant that are under one of these keys, at most `limit`. */
export async function listSecretsUnder(
  db: D1Database,
  keyIds: readonly string[],
  limit: number,
): Promise<StoredSecret[]> {
  const { results } = await db
    .prepare(
      `SELECT tenant_serial, tenants.tenant_id, tenants.status, name, key_id, sealed
       FROM tenant_secrets JOIN tenants ON tenants.serial = tenant_serial
       WHERE key_id IN (SELECT value FROM json_each(?)) ORDER BY tenant_serial, name LIMIT ?`,
    )
    .bind(JSON.stringify(keyIds), limit)
    .all();
  return results
    .map((row) => storedRowSchema.parse(row))
    .map((row) => ({
      tenantSerial: row.tenant_serial,
      tenantId: row.tenant_id,
      name: row.name,
      isActive: row.status === "active",
      keyId: row.key_id,
      sealed: row.sealed,
    }));
}

/** Puts the same secret under another key, unless its owner has replaced it meanwhile. */
export async function replaceSealed(
  db: D1Database,
  before: StoredSecret,
  after: SealedSecret,
): Promise<boolean> {
  const { meta } = await db
    .prepare(
      `UPDATE tenant_secrets SET key_id = ?, sealed = ?
       WHERE tenant_serial = ? AND name = ? AND sealed = ?`,
    )
    .bind(after.keyId, after.sealed, before.tenantSerial, before.name, before.sealed)
    .run();
  return meta.changes > 0;
}

/** How many secrets there are under each key. */
export async function countSecretsByKey(db: D1Database): Promise<ReadonlyMap<string, number>> {
  const { results } = await db
    .prepare("SELECT key_id, COUNT(*) AS count FROM tenant_secrets GROUP BY key_id")
    .all();
  const rows = results.map((row) =>
    z.object({ key_id: z.string(), count: z.number().int() }).parse(row),
  );
  return new Map(rows.map(({ key_id: keyId, count }) => [keyId, count]));
}
