/** A tenant's deployments and datasets in pages, oldest first, for an export. */
import * as z from "zod";
import { type DatasetVersion, datasetVersionRowSchema } from "./datasets.ts";
import { jsonTextSchema } from "./json-text.ts";

const deploymentRowSchema = z
  .object({
    version: z.number().int(),
    deployment_id: z.string(),
    manifest: jsonTextSchema(z.record(z.string(), z.json())),
    created_at_ms: z.number().int(),
  })
  .transform((row) => ({
    deploymentId: row.deployment_id,
    version: row.version,
    createdAtMs: row.created_at_ms,
    manifest: row.manifest,
  }));
export type DeployedManifest = Readonly<z.infer<typeof deploymentRowSchema>>;

/** @param after version of the last one of the page before; 0 for the first page */
export async function exportDeployments(
  db: D1Database,
  tenantSerial: number,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<DeployedManifest[]> {
  const { results } = await db
    .prepare(
      `SELECT version, deployment_id, manifest, created_at_ms FROM deployments
       WHERE tenant_serial = ? AND version > ? ORDER BY version LIMIT ?`,
    )
    .bind(tenantSerial, after, limit)
    .all();
  return results.map((row) => deploymentRowSchema.parse(row));
}

const numberedSchema = z.object({ sequence: z.number().int() });

export type NumberedDataset = DatasetVersion & { readonly sequence: number };

/** Every version. @param after number of the last one of the page before; 0 for the first page */
export async function exportDatasets(
  db: D1Database,
  tenantSerial: number,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<NumberedDataset[]> {
  const { results } = await db
    .prepare(
      `SELECT sequence, name, version, store, columns, key_column, indexes, rows, bytes, created_at_ms
       FROM dataset_versions WHERE tenant_serial = ? AND sequence > ? ORDER BY sequence LIMIT ?`,
    )
    .bind(tenantSerial, after, limit)
    .all();
  return results.map((row) => ({
    ...datasetVersionRowSchema.parse(row),
    sequence: numberedSchema.parse(row).sequence,
  }));
}

/** One version by its name; null when the tenant has no such one. */
export async function readDatasetVersion(
  db: D1Database,
  tenantSerial: number,
  name: string,
  version: string,
): Promise<DatasetVersion | null> {
  const row = await db
    .prepare(
      `SELECT name, version, store, columns, key_column, indexes, rows, bytes, created_at_ms
       FROM dataset_versions WHERE tenant_serial = ? AND name = ? AND version = ?`,
    )
    .bind(tenantSerial, name, version)
    .first();
  return row === null ? null : datasetVersionRowSchema.parse(row);
}
