/** Alerts that a webhook did not take: the deliveries that were given up. */
import * as z from "zod";
import type { DeadLetter, DeadLetterList } from "../../contracts/admin-alerts.ts";
import { ALERT_COLUMNS, alertRowSchema } from "./alerts.ts";

const SELECT_DEAD_LETTERS = `SELECT delivery_id, endpoint_id, attempts, ended_at_ms, last_error,
  ${ALERT_COLUMNS} FROM alert_deliveries JOIN alerts USING (alert_id) WHERE state = 'dead'`;

const deadLetterRowSchema = z
  .object({
    delivery_id: z.number().int(),
    endpoint_id: z.string(),
    attempts: z.number().int(),
    ended_at_ms: z.number().int(),
    last_error: z.string().nullable(),
  })
  .transform((row): Omit<DeadLetter, "alert"> => ({
    deadLetterId: row.delivery_id,
    endpointId: row.endpoint_id,
    attempts: row.attempts,
    endedAtMs: row.ended_at_ms,
    lastError: row.last_error,
  }));

function parseDeadLetter(row: unknown): DeadLetter {
  return { ...deadLetterRowSchema.parse(row), alert: alertRowSchema.parse(row) };
}

export interface DeadLetterQuery {
  /** Id of the last dead letter of the page before. */
  readonly beforeId: number | null;
  readonly limit: number;
}

/** Newest alerts first. */
export async function listDeadLetters(
  db: D1Database,
  { beforeId, limit }: DeadLetterQuery,
): Promise<DeadLetterList> {
  const { results } = await db
    .prepare(
      `${SELECT_DEAD_LETTERS} AND (?1 IS NULL OR delivery_id < ?1)
       ORDER BY delivery_id DESC LIMIT ?2`,
    )
    .bind(beforeId, limit + 1)
    .all();
  const deadLetters = results.slice(0, limit).map(parseDeadLetter);
  return {
    deadLetters,
    nextCursor: results.length > limit ? `${deadLetters.at(-1)?.deadLetterId ?? ""}` : null,
  };
}

/** Null when there is none of that id, or it is no longer dead. */
export async function readDeadLetter(db: D1Database, id: number): Promise<DeadLetter | null> {
  const row = await db.prepare(`${SELECT_DEAD_LETTERS} AND delivery_id = ?`).bind(id).first();
  return row === null ? null : parseDeadLetter(row);
}
