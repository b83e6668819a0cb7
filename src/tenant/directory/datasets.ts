/** What tenants uploaded: one row for every version of a dataset; the rows of data are in `DatasetStore` objects. */
import * as z from "zod";
import { columnSchema } from "../../contracts/snapshot.ts";
import { auditStatement } from "./audit.ts";
import { jsonTextSchema } from "./json-text.ts";
import type { TenantRecord } from "./tenants.ts";

export const datasetVersionRowSchema = z
  .object({
    name: z.string(),
    version: z.string(),
    store: z.string(),
    columns: jsonTextSchema(z.array(columnSchema)),
    key_column: z.string().nullable(),
    indexes: jsonTextSchema(z.array(z.string())),
    rows: z.number().int(),
    bytes: z.number().int(),
    created_at_ms: z.number().int(),
  })
  .transform((row) => ({
    name: row.name,
    version: row.version,
    store: row.store,
    columns: row.columns,
    key: row.key_column,
    indexes: row.indexes,
    rows: row.rows,
    bytes: row.bytes,
    createdAtMs: row.created_at_ms,
  }));
export type DatasetVersion = Readonly<z.infer<typeof datasetVersionRowSchema>>;

/** Records an upload that is complete in its store, with its audit entry: from now on deployments take it. */
export async function insertDatasetVersion(
  db: D1Database,
  tenant: TenantRecord,
  dataset: DatasetVersion,
): Promise<void> {
  await db.batch([
    db
      .prepare(
        `INSERT INTO dataset_versions
           (tenant_serial, name, version, store, columns, key_column, indexes, rows, bytes, created_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .bind(
        tenant.serial,
        dataset.name,
        dataset.version,
        dataset.store,
        JSON.stringify(dataset.columns),
        dataset.key,
        JSON.stringify(dataset.indexes),
        dataset.rows,
        dataset.bytes,
        dataset.createdAtMs,
      ),
    auditStatement(db, {
      atMs: dataset.createdAtMs,
      actor: "tenant",
      tenantId: tenant.tenantId,
      action: "dataset.upload",
      subject: dataset.name,
      detail: { version: dataset.version, rows: dataset.rows, bytes: dataset.bytes },
    }),
  ]);
}

/** The newest version of every dataset of a tenant, by name. */
export async function listLatestDatasets(
  db: D1Database,
  tenantSerial: number,
): Promise<DatasetVersion[]> {
  // SQLite takes the other columns from the row that holds the MAX (documented for bare columns).
  const { results } = await db
    .prepare(
      `SELECT MAX(sequence), name, version, store, columns, key_column, indexes, rows, bytes, created_at_ms
       FROM dataset_versions WHERE tenant_serial = ? GROUP BY name ORDER BY name`,
    )
    .bind(tenantSerial)
    .all();
  return results.map((row) => datasetVersionRowSchema.parse(row));
}

/** How many datasets a tenant has beside the one of this name. */
export async function countOtherDatasets(
  db: D1Database,
  tenantSerial: number,
  name: string,
): Promise<number> {
  const count = await db
    .prepare(
      `SELECT COUNT(DISTINCT name) AS count FROM dataset_versions
       WHERE tenant_serial = ? AND name <> ?`,
    )
    .bind(tenantSerial, name)
    .first("count");
  return z.number().int().parse(count);
}
