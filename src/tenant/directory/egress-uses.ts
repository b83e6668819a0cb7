/** What tenants' code moved through an egress Worker that can't reach their ledgers, until a sweep takes it there. */
import * as z from "zod";
import { type TenantId, tenantIdSchema } from "../tenant-id.ts";

export interface TenantUse {
  readonly tenantId: TenantId;
  readonly egressBytes: number;
  readonly subrequests: number;
}

const rowSchema = z
  .object({
    tenant_id: tenantIdSchema,
    egress_bytes: z.number().int(),
    subrequests: z.number().int(),
  })
  .transform((row) => ({
    tenantId: row.tenant_id,
    egressBytes: row.egress_bytes,
    subrequests: row.subrequests,
  }));

/** Adds to what waits already. */
export async function addEgressUses(db: D1Database, uses: readonly TenantUse[]): Promise<void> {
  if (uses.length === 0) return;
  const statement = db.prepare(
    `INSERT INTO egress_uses (tenant_id, egress_bytes, subrequests) VALUES (?, ?, ?)
     ON CONFLICT (tenant_id) DO UPDATE SET egress_bytes = egress_bytes + excluded.egress_bytes,
       subrequests = subrequests + excluded.subrequests`,
  );
  await db.batch(
    uses.map(({ tenantId, egressBytes, subrequests }) =>
      statement.bind(tenantId, egressBytes, subrequests),
    ),
  );
}

/** Takes away what waits, of at most so many tenants. */
export async function takeEgressUses(db: D1Database, limit: number): Promise<TenantUse[]> {
  const { results } = await db
    .prepare(
      `DELETE FROM egress_uses WHERE tenant_id IN (SELECT tenant_id FROM egress_uses LIMIT ?)
       RETURNING tenant_id, egress_bytes, subrequests`,
    )
    .bind(limit)
    .all();
  return results.map((row) => rowSchema.parse(row));
}
