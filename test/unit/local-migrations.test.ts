/** The control plane's migrations on an embedded platform: in order, once, each whole or not at all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { applyMigrations } from "../../src/local/migrate.ts";
import type { MigrationTarget } from "../../src/local/migrate.ts";

let directory: string;
let database: DatabaseSync;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "claw-migrations-"));
  database = new DatabaseSync(":memory:");
});

afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true, force: true });
});

function write(name: string, sql: string): void {
  writeFileSync(join(directory, name), sql);
}

function apply(): Promise<string[]> {
  return applyMigrations(d1Over(database), directory);
}

function tables(): unknown[] {
  return database
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'm_%' ORDER BY name",
    )
    .all()
    .map((row) => row["name"]);
}

test("applies files in the order of their names, and each of them once", async () => {
  write("0002_second.sql", "ALTER TABLE m_a ADD COLUMN two TEXT; CREATE TABLE m_b (x);");
  write("0001_first.sql", "-- with a comment; and a semicolon\nCREATE TABLE m_a (one TEXT);");
  expect(await apply()).toEqual(["0001_first.sql", "0002_second.sql"]);
  expect(await apply()).toEqual([]);
  write("0003_third.sql", "CREATE TABLE m_c (x);");
  expect(await apply()).toEqual(["0003_third.sql"]);
  expect(tables()).toEqual(["m_a", "m_b", "m_c"]);
});

test("continues after what wrangler has applied", async () => {
  write("0001_first.sql", "CREATE TABLE m_a (one TEXT);");
  await apply();
  database.exec("INSERT INTO d1_migrations (name) VALUES ('0002_by_wrangler.sql')");
  write("0002_by_wrangler.sql", "CREATE TABLE m_b (x);");
  expect(await apply()).toEqual([]);
  expect(tables()).toEqual(["m_a"]);
});

test("leaves nothing of a file that fails, and tries it again", async () => {
  write("0001_first.sql", "CREATE TABLE m_a (x); CREATE TABLE m_a (x);");
  await expect(apply()).rejects.toThrow("m_a already exists");
  expect(tables()).toEqual([]);
  write("0001_first.sql", "CREATE TABLE m_a (x);");
  expect(await apply()).toEqual(["0001_first.sql"]);
});

test("refuses a database that a newer version has migrated", async () => {
  write("0001_first.sql", "CREATE TABLE m_a (x);");
  write("0002_newer.sql", "CREATE TABLE m_b (x);");
  await apply();
  rmSync(join(directory, "0002_newer.sql"));
  await expect(apply()).rejects.toThrow("written by a newer version (migration 0002_newer.sql)");
});

/** What D1 does, with SQLite itself: a batch is one transaction. */
function d1Over(sqlite: DatabaseSync): MigrationTarget {
  interface Statement {
    readonly sql: string;
    readonly values: SQLInputValue[];
    bind(...values: unknown[]): Statement;
    all(): Promise<{ results: Record<string, unknown>[] }>;
  }
  const statement = (sql: string, values: SQLInputValue[]): Statement => ({
    sql,
    values,
    bind: (...bound) => statement(sql, bound.map(String)),
    all: async () => ({ results: sqlite.prepare(sql).all(...values) }),
  });
  return {
    prepare: (sql) => statement(sql, []),
    async batch(statements) {
      sqlite.exec("BEGIN");
      try {
        for (const { sql, values } of statements as Statement[]) sqlite.prepare(sql).run(...values);
        sqlite.exec("COMMIT");
      } catch (error) {
        sqlite.exec("ROLLBACK");
        throw error;
      }
    },
  };
}
