/** What tenants put on sale: immutable, numbered deployments, of which one is active. */
import * as z from "zod";
import type { Manifest } from "../../contracts/manifest.ts";
import { type Route, routeSchema, type TenantSnapshot } from "../../contracts/snapshot.ts";
import type { SealedSecret } from "../../contracts/secrets.ts";
import type { TenantId } from "../tenant-id.ts";
import { auditStatement } from "./audit.ts";
import { readSealedSecrets } from "./secrets.ts";
import { jsonTextSchema } from "./json-text.ts";
import { readOverridesInForce } from "./limit-overrides.ts";
import { TENANT_COLUMNS, type TenantRecord, tenantRowSchema } from "./tenants.ts";

const routesTextSchema = jsonTextSchema(z.array(routeSchema));
const versionSchema = z.number().int().positive();

const deploymentRowSchema = z
  .object({
    version: versionSchema,
    deployment_id: z.string(),
    routes: routesTextSchema,
    created_at_ms: z.number().int(),
  })
  .transform((row) => ({
    version: row.version,
    deploymentId: row.deployment_id,
    routes: row.routes,
    createdAtMs: row.created_at_ms,
  }));
export type DeploymentRecord = Readonly<z.infer<typeof deploymentRowSchema>>;

const DEPLOYMENT_COLUMNS = "version, deployment_id, routes, created_at_ms";

export interface NewDeployment {
  readonly deploymentId: string;
  readonly manifest: Manifest;
  readonly routes: readonly Route[];
  readonly createdAtMs: number;
}

/**
 * Writes a deployment under the tenant's next version and makes it the active one, all or nothing: of two at a time
 * each gets a version of its own, and the later one stays active.
 *
 * @returns its version
 */
export async function insertDeployment(
  db: D1Database,
  tenant: TenantRecord,
  deployment: NewDeployment,
): Promise<number> {
  const [inserted] = await db.batch([
    db
      .prepare(
        `INSERT INTO deployments (tenant_serial, version, deployment_id, manifest, routes, created_at_ms)
         SELECT ?1, COALESCE(MAX(version), 0) + 1, ?2, ?3, ?4, ?5
         FROM deployments WHERE tenant_serial = ?1
         RETURNING version`,
      )
      .bind(
        tenant.serial,
        deployment.deploymentId,
        JSON.stringify(deployment.manifest),
        JSON.stringify(deployment.routes),
        deployment.createdAtMs,
      ),
    ...activateStatements(db, tenant.serial, deployment.deploymentId, deployment.createdAtMs),
    auditStatement(db, {
      atMs: deployment.createdAtMs,
      actor: "tenant",
      tenantId: tenant.tenantId,
      action: "deployment.create",
      subject: deployment.deploymentId,
      detail: { routes: deployment.routes.length },
    }),
  ]);
  return z.object({ version: versionSchema }).parse(inserted?.results[0]).version;
}

/** Makes an earlier deployment of the tenant the active one again, with the versions of datasets it had. */
export async function activateDeployment(
  db: D1Database,
  tenant: TenantRecord,
  deployment: DeploymentRecord,
  nowMs: number,
): Promise<void> {
  await db.batch([
    ...activateStatements(db, tenant.serial, deployment.deploymentId, nowMs),
    auditStatement(db, {
      atMs: nowMs,
      actor: "tenant",
      tenantId: tenant.tenantId,
      action: "deployment.rollback",
      subject: deployment.deploymentId,
      detail: { version: deployment.version, from: tenant.activeVersion },
    }),
  ]);
}

/** The deployment that was on sale before the one that is; null when there was no other. */
export async function readPreviousDeploymentId(
  db: D1Database,
  tenantSerial: number,
): Promise<string | null> {
  const deploymentId = await db
    .prepare(
      `SELECT deployments.deployment_id FROM activations
       JOIN tenants ON tenants.serial = activations.tenant_serial
       JOIN deployments ON deployments.tenant_serial = activations.tenant_serial
         AND deployments.version = activations.version
       WHERE activations.tenant_serial = ? AND activations.version <> tenants.active_version
       ORDER BY activations.sequence DESC LIMIT 1`,
    )
    .bind(tenantSerial)
    .first("deployment_id");
  return z.string().nullable().parse(deploymentId);
}

/** One deployment of this tenant; null for an id that is not one of its own. */
export async function readDeployment(
  db: D1Database,
  tenantSerial: number,
  deploymentId: string,
): Promise<DeploymentRecord | null> {
  const row = await db
    .prepare(
      `SELECT ${DEPLOYMENT_COLUMNS} FROM deployments WHERE tenant_serial = ? AND deployment_id = ?`,
    )
    .bind(tenantSerial, deploymentId)
    .first();
  return row === null ? null : deploymentRowSchema.parse(row);
}

/** Newest first, at most `limit`, older than `beforeVersion` if that is given. */
export async function listDeployments(
  db: D1Database,
  tenantSerial: number,
  page: { readonly beforeVersion: number | null; readonly limit: number },
): Promise<DeploymentRecord[]> {
  const { results } = await db
    .prepare(
      `SELECT ${DEPLOYMENT_COLUMNS} FROM deployments
       WHERE tenant_serial = ?1 AND (?2 IS NULL OR version < ?2) ORDER BY version DESC LIMIT ?3`,
    )
    .bind(tenantSerial, page.beforeVersion, page.limit)
    .all();
  return results.map((row) => deploymentRowSchema.parse(row));
}

/** What the edge should know about a tenant now; null when there never was such a tenant. */
export function readActiveSnapshot(
  db: D1Database,
  tenantId: TenantId,
): Promise<TenantSnapshot | null> {
  return readSnapshotOf(db, tenantId, null);
}

/** What the edge would know if this version were on sale; null when the tenant is gone or has no such version. */
export async function readDeployedSnapshot(
  db: D1Database,
  tenantId: TenantId,
  version: number,
): Promise<TenantSnapshot | null> {
  const snapshot = await readSnapshotOf(db, tenantId, version);
  return snapshot?.deploymentId == null ? null : snapshot;
}

/** @param version the active one when null */
async function readSnapshotOf(
  db: D1Database,
  tenantId: TenantId,
  version: number | null,
): Promise<TenantSnapshot | null> {
  const row = await db
    .prepare(
      `SELECT ${TENANT_COLUMNS}, deployments.version, deployments.deployment_id, deployments.routes
       FROM tenants LEFT JOIN deployments ON deployments.tenant_serial = tenants.serial
         AND deployments.version = COALESCE(?2, tenants.active_version)
       WHERE tenants.tenant_id = ?1`,
    )
    .bind(tenantId, version)
    .first();
  if (row === null) return null;
  const tenant = tenantRowSchema.parse(row);
  const deployed = z
    .object({
      version: versionSchema.nullable(),
      deployment_id: z.string().nullable(),
      routes: routesTextSchema.nullable(),
    })
    .parse(row);
  if (tenant.deletedAtMs !== null) return snapshotOfDeleted(tenant, tenant.deletedAtMs);
  const routes = deployed.routes ?? [];
  const replaced = version === null ? await readReplaced(db, tenant) : null;
  return {
    ...(replaced === null ? {} : { replaced }),
    tenantId: tenant.tenantId,
    serial: tenant.serial,
    plan: tenant.plan,
    collection: tenant.collection,
    payTo: tenant.payTo,
    network: tenant.network,
    version: deployed.version ?? 0,
    deploymentId: deployed.deployment_id,
    routes,
    secrets: await readNamedSecrets(db, tenant.serial, routes),
    limitOverrides: await readOverridesInForce(db, tenant.serial, Date.now()),
  };
}

/** The version that was on sale before the active one, and when it was taken off. */
async function readReplaced(
  db: D1Database,
  { serial, activeVersion }: TenantRecord,
): Promise<TenantSnapshot["replaced"] | null> {
  const row = await db
    .prepare(
      `SELECT earlier.version, MIN(later.at_ms) AS atMs FROM activations AS later
       JOIN activations AS earlier ON earlier.sequence = (
         SELECT MAX(sequence) FROM activations WHERE tenant_serial = ?1 AND version <> ?2)
       WHERE later.tenant_serial = ?1 AND later.sequence > earlier.sequence
       GROUP BY earlier.version`,
    )
    .bind(serial, activeVersion)
    .first();
  return row === null ? null : z.object({ version: versionSchema, atMs: versionSchema }).parse(row);
}

/** Enough to answer payments that were made before. */
function snapshotOfDeleted(
  { tenantId, serial, plan, collection, payTo, network }: TenantRecord,
  deletedAtMs: number,
): TenantSnapshot {
  const nothing = { version: 0, deploymentId: null, routes: [], secrets: {}, limitOverrides: [] };
  return { tenantId, serial, plan, collection, payTo, network, ...nothing, deletedAtMs };
}

/** Only what is named: a snapshot is copied to every edge. */
async function readNamedSecrets(
  db: D1Database,
  tenantSerial: number,
  routes: readonly Route[],
): Promise<Record<string, SealedSecret>> {
  const names = new Set(
    routes.flatMap(({ handler }) =>
      handler.kind === "origin" ? (handler.auth?.secret ?? []) : [],
    ),
  );
  if (names.size === 0) return {};
  const secrets = Object.entries(await readSealedSecrets(db, tenantSerial));
  return Object.fromEntries(secrets.filter(([name]) => names.has(name)));
}

/** The tenant's serial makes another tenant's deployment no version at all. */
function activateStatements(
  db: D1Database,
  tenantSerial: number,
  deploymentId: string,
  nowMs: number,
): D1PreparedStatement[] {
  const ownVersion =
    "SELECT version FROM deployments WHERE tenant_serial = ?1 AND deployment_id = ?2";
  return [
    db
      .prepare(`UPDATE tenants SET active_version = (${ownVersion}) WHERE serial = ?1`)
      .bind(tenantSerial, deploymentId),
    db
      .prepare(
        `INSERT INTO activations (tenant_serial, version, at_ms) VALUES (?1, (${ownVersion}), ?3)`,
      )
      .bind(tenantSerial, deploymentId, nowMs),
  ];
}
