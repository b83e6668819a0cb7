/** How often tenants' code was refused a connection, by day and reason. */
import * as z from "zod";

/** Denials of one tenant, day and reason. */
export interface DenialCountRow {
  readonly tenantId: string;
  /** UTC, ISO 8601. */
  readonly day: string;
  readonly reason: string;
  readonly count: number;
}

const denialSchema = z.object({
  day: z.string(),
  reason: z.string(),
  count: z.number().int(),
});
export type Denial = z.infer<typeof denialSchema>;

/** A month of every reason there is. */
const DENIALS_SHOWN = 400;

/** Adds to what was counted before. */
export async function countDenials(
  db: D1Database,
  counts: readonly DenialCountRow[],
): Promise<void> {
  if (counts.length === 0) return;
  const statement = db.prepare(
    `INSERT INTO egress_denials (tenant_id, day, reason, count) VALUES (?, ?, ?, ?)
     ON CONFLICT (tenant_id, day, reason) DO UPDATE SET count = count + excluded.count`,
  );
  await db.batch(
    counts.map(({ tenantId, day, reason, count }) => statement.bind(tenantId, day, reason, count)),
  );
}

/** Newest day first. */
export async function listDenials(db: D1Database, tenantId: string): Promise<Denial[]> {
  const { results } = await db
    .prepare(
      `SELECT day, reason, count FROM egress_denials
       WHERE tenant_id = ? ORDER BY day DESC, reason LIMIT ?`,
    )
    .bind(tenantId, DENIALS_SHOWN)
    .all();
  return results.map((row) => denialSchema.parse(row));
}
