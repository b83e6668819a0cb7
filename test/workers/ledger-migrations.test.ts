/** The ledger's schema, as objects of every age meet it: applied step by step, over rows that are already there. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { migrate } from "../../durable-objects/migrate.ts";
import { MIGRATIONS } from "../../durable-objects/settlement-ledger/store/migrations.ts";

const PAYMENT = `
INSERT INTO payments (payment_id, direction, state, identity, payload_digest, request_fingerprint,
  network, asset, payer, payee, amount_atomic, nonce, valid_after_ms, valid_before_ms, fee_atomic,
  attempts, response, resign_guard, replay_grace_ms, route_path, method, url, claimed_at_ms,
  retry_count)
VALUES (?, 'incoming', 'settled', ?, 'd', 'f', 'n', 'a', 'p', 'q', '10', '0x', 0, 1, '1', '[]',
  'kept', 1, 0, '/r', 'GET', '/r', 0, 0)`;

/** Runs in an object whose SQLite is empty. */
async function onEmptyStorage(run: (storage: DurableObjectStorage) => void): Promise<void> {
  const ledger = env.SETTLEMENT_LEDGER.getByName(`migrations-${crypto.randomUUID()}`);
  await runInDurableObject(ledger, async (_object, { storage }) => {
    await storage.deleteAll();
    run(storage);
  });
}

/** Everything a schema says, in an order of its own. */
function schemaOf({ sql }: DurableObjectStorage): unknown[] {
  return sql
    .exec(
      "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
    )
    .toArray();
}

test("every step keeps the rows that were written before it, and all lead to the same schema", async () => {
  let atOnce: unknown[] = [];
  await onEmptyStorage((storage) => {
    migrate(storage, MIGRATIONS);
    atOnce = schemaOf(storage);
  });
  await onEmptyStorage((storage) => {
    MIGRATIONS.forEach((_migration, index) => {
      migrate(storage, MIGRATIONS.slice(0, index + 1));
      storage.sql.exec(PAYMENT, `pay_${index}`, `identity ${index}`);
    });
    expect(schemaOf(storage)).toEqual(atOnce);
    const { rows } = storage.sql
      .exec<{ rows: number }>("SELECT COUNT(*) AS rows FROM payments WHERE amount_atomic = '10'")
      .one();
    expect(rows).toBe(MIGRATIONS.length);
  });
});

test("bodies and what facilitators are sent are kept when they move to rows of other tables", async () => {
  await onEmptyStorage((storage) => {
    const { sql } = storage;
    const step = MIGRATIONS.findIndex(({ id }) => id === "008_short_rows");
    migrate(storage, MIGRATIONS.slice(0, step));
    for (const [paymentId, bytes, key] of [
      ["pay_1", 3, null],
      ["pay_2", 0, null],
      ["pay_3", 300_000, "elsewhere"],
    ]) {
      sql.exec(PAYMENT, paymentId, paymentId);
      sql.exec(
        `INSERT INTO responses (payment_id, status, headers, body_bytes, expires_at_ms, object_key, object_sha256)
         VALUES (?1, 200, '[]', ?2, 0, ?3, ?3)`,
        paymentId,
        bytes,
        key,
      );
    }
    sql.exec("UPDATE payments SET wire = '{}' WHERE payment_id = 'pay_1'");
    sql.exec("INSERT INTO response_chunks VALUES ('pay_1', 0, X'010203')");
    migrate(storage, MIGRATIONS);
    expect(sql.exec("SELECT payment_id, wire FROM wire_payments").toArray()).toEqual([
      { payment_id: "pay_1", wire: "{}" },
    ]);
    expect(
      sql.exec("SELECT hex(body) AS body FROM responses ORDER BY payment_id").toArray(),
    ).toEqual([{ body: "010203" }, { body: "" }, { body: "" }]);
    expect(sql.exec("SELECT payment_id FROM responses WHERE body IS NULL").toArray()).toEqual([
      { payment_id: "pay_3" },
    ]);
  });
});

test("nothing runs twice", async () => {
  await onEmptyStorage((storage) => {
    migrate(storage, MIGRATIONS);
    storage.sql.exec(PAYMENT, "pay_1", "identity");
    migrate(storage, MIGRATIONS);
    expect(storage.sql.exec("SELECT payment_id FROM payments").toArray()).toHaveLength(1);
  });
});

test.each([
  ["renamed", MIGRATIONS.map(({ sql }, index) => ({ id: `renamed_${index}`, sql }))],
  ["reordered", MIGRATIONS.toReversed()],
  ["shortened", MIGRATIONS.slice(0, -1)],
])("a list that was %s after it was applied is refused, and nothing runs", async (_how, edited) => {
  await onEmptyStorage((storage) => {
    migrate(storage, MIGRATIONS);
    const before = schemaOf(storage);
    expect(() => migrate(storage, edited)).toThrow(/migration \d+_\w+ was applied at \d+/);
    expect(schemaOf(storage)).toEqual(before);
  });
});

test("a step that fails leaves nothing of itself, and those before it stay", async () => {
  await onEmptyStorage((storage) => {
    const broken = { id: "999_broken", sql: "CREATE TABLE half (a TEXT) STRICT; SELECT nonsense;" };
    expect(() => migrate(storage, [...MIGRATIONS, broken])).toThrow(/nonsense/);
    const applied = storage.sql.exec("SELECT id FROM migrations ORDER BY position").toArray();
    expect(applied).toEqual(MIGRATIONS.map(({ id }) => ({ id })));
    expect(() => storage.sql.exec("SELECT * FROM half")).toThrow(/no such table/);
  });
});
