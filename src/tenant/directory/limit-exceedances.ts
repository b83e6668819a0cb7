/** How often tenants' code passed the limits of its plan. */
import * as z from "zod";
import type { TenantId } from "../tenant-id.ts";

const exceedanceRowSchema = z.object({
  day: z.string(),
  limit_name: z.string(),
  count: z.number().int(),
});

export interface LimitExceedances {
  /** UTC, ISO 8601. */
  readonly day: string;
  readonly limit: string;
  readonly count: number;
}

export async function countLimitExceedance(
  db: D1Database,
  exceedance: { readonly tenantId: TenantId; readonly limit: string; readonly atMs: number },
): Promise<void> {
  const day = new Date(exceedance.atMs).toISOString().slice(0, "0000-00-00".length);
  await db
    .prepare(
      `INSERT INTO limit_exceedances (tenant_id, day, limit_name, count) VALUES (?, ?, ?, 1)
       ON CONFLICT (tenant_id, day, limit_name) DO UPDATE SET count = count + 1`,
    )
    .bind(exceedance.tenantId, day, exceedance.limit)
    .run();
}

/** Of one tenant, newest day first, at most `limit` rows. */
export async function listLimitExceedances(
  db: D1Database,
  tenantId: TenantId,
  limit: number,
): Promise<LimitExceedances[]> {
  const { results } = await db
    .prepare(
      `SELECT day, limit_name, count FROM limit_exceedances
       WHERE tenant_id = ? ORDER BY day DESC, limit_name LIMIT ?`,
    )
    .bind(tenantId, limit)
    .all();
  return results.map((result) => {
    const row = exceedanceRowSchema.parse(result);
    return { day: row.day, limit: row.limit_name, count: row.count };
  });
}
