export interface Migration {
  readonly id: string;
  readonly sql: string;
}

/**
 * Brings an object's SQLite to the newest schema, each step in a transaction of its own. `PRAGMA user_version` is
 * refused in Durable Objects, so the applied ids are rows.
 * @throws when the applied ids are not a prefix of the list: the list was edited, and nothing may run on that.
 */
export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[]): void {
  storage.sql.exec(
    "CREATE TABLE IF NOT EXISTS migrations (position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT",
  );
  const applied = storage.sql
    .exec<{ id: string }>("SELECT id FROM migrations ORDER BY position")
    .toArray();
  applied.forEach(({ id }, position) => {
    if (migrations[position]?.id !== id) {
      throw new Error(`migration ${id} was applied at ${position}, the list has another one there`);
    }
  });
  migrations.slice(applied.length).forEach((migration, index) => {
    storage.transactionSync(() => {
      storage.sql.exec(migration.sql);
      storage.sql.exec(
        "INSERT INTO migrations (position, id) VALUES (?, ?)",
        applied.length + index,
        migration.id,
      );
    });
  });
}
