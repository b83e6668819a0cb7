/** Applies the control plane's D1 migrations offline, and records them as `wrangler d1 migrations apply` does. */
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { unstable_splitSqlQuery as splitSqlQuery } from "wrangler";

/** The part of a D1 binding that migrations need. */
export interface MigrationTarget {
  prepare(sql: string): MigrationStatement;
  batch(statements: MigrationStatement[]): Promise<unknown>;
}
interface MigrationStatement {
  bind(...values: unknown[]): MigrationStatement;
  all(): Promise<{ results: Record<string, unknown>[] }>;
}

/** Wrangler's own table, so that either tool continues where the other stopped. */
const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/**
 * Applies the `.sql` files of a directory that were not applied before, in the order of their names; each file and
 * its record are one transaction.
 *
 * @returns the names applied now.
 * @throws Error when an applied migration is no longer in the directory: the database is newer than the program.
 */
export async function applyMigrations(
  database: MigrationTarget,
  directory: string,
): Promise<string[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".sql")).toSorted();
  await database.batch([database.prepare(CREATE_TABLE)]);
  const { results } = await database.prepare("SELECT name FROM d1_migrations ORDER BY id").all();
  const applied = new Set(results.map((row) => String(row["name"])));
  const unknown = [...applied].find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new Error(`the state directory was written by a newer version (migration ${unknown})`);
  }
  const pending = names.filter((name) => !applied.has(name));
  for (const name of pending) {
    const sql = await readFile(join(directory, name), "utf8");
    await database.batch([
      ...splitSqlQuery(sql).map((statement) => database.prepare(statement)),
      database.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name),
    ]);
  }
  return pending;
}
