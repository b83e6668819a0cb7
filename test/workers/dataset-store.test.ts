import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { openDataset, storeDataset } from "../../durable-objects/dataset-store/client.ts";
import { datasetChecksum } from "../../src/dataset/checksum.ts";
import { CHUNK_BYTES_MAX, COLUMNS_MAX, PAGE_BYTES_MAX } from "../../src/dataset/limits.ts";
import { freshStoreName, parseText } from "../support/datasets.ts";

const CITIES = parseText("id,name\n1,Paris\n2,Rome\n3,Oslo\n");
const LARGE = parseText(`id,text\n${manyLines(3_000, "x".repeat(1_000))}`);

function manyLines(count: number, text: string): string {
  return Array.from({ length: count }, (_, index) => `${index},${text}\n`).join("");
}

/** The calls that `storeDataset` makes, one by one. */
function openLoad(dataset = LARGE) {
  const stub = env.DATASET_STORE.getByName(freshStoreName());
  const definition = { columns: [...dataset.columns], key: 0, indexes: [] };
  const checksum = datasetChecksum(definition, dataset.chunks);
  return {
    stub,
    begin: () => stub.beginLoad({ definition, checksum }),
    append: (index: number) =>
      stub.appendChunk({ checksum, index, chunk: dataset.chunks[index] ?? "[]" }),
    commit: () => stub.commitLoad({ checksum, rowCount: dataset.rowCount }),
  };
}

describe("storing a dataset", () => {
  it("makes it readable, and it survives the object's eviction", async () => {
    const name = freshStoreName();
    const stored = await storeDataset(env.DATASET_STORE, name, CITIES, { key: "id" });
    expect(stored).toEqual({ ok: true, rowCount: 3 });
    await evictDurableObject(env.DATASET_STORE.getByName(name));
    const dataset = openDataset(env.DATASET_STORE, name);
    expect(await dataset.describe()).toMatchObject({
      result: "described",
      rowCount: 3,
      definition: { columns: CITIES.columns, key: 0, indexes: [] },
    });
    expect(await dataset.sample(2)).toEqual([
      [1, "Paris"],
      [2, "Rome"],
      [3, "Oslo"],
    ]);
  });

  it("samples five rows at most", async () => {
    const name = freshStoreName();
    await storeDataset(env.DATASET_STORE, name, LARGE);
    expect(await openDataset(env.DATASET_STORE, name).sample(2)).toHaveLength(5);
  });

  it("changes nothing when the same is stored again, and refuses anything else", async () => {
    const name = freshStoreName();
    await storeDataset(env.DATASET_STORE, name, CITIES, { key: "id" });
    const again = await storeDataset(env.DATASET_STORE, name, CITIES, { key: "id" });
    expect(again).toEqual({ ok: true, rowCount: 3 });
    const other = await storeDataset(env.DATASET_STORE, name, parseText("id\n9\n"));
    expect(other).toMatchObject({ ok: false, error: { code: "load_conflict" } });
    const otherIndex = await storeDataset(env.DATASET_STORE, name, CITIES, {
      key: "id",
      indexes: ["name"],
    });
    expect(otherIndex).toMatchObject({ ok: false, error: { code: "load_conflict" } });
    expect(await openDataset(env.DATASET_STORE, name).describe()).toMatchObject({ rowCount: 3 });
  });

  it("names the key that repeats and both its rows as the file counts them", async () => {
    const dataset = parseText("id,name\n7,a\n8,b\n7,c\n8,d\n");
    const stored = await storeDataset(env.DATASET_STORE, freshStoreName(), dataset, { key: "id" });
    expect(stored).toEqual({
      ok: false,
      error: {
        code: "duplicate_key",
        message: 'rows 2 and 4 have the same key id, "7"',
        column: "id",
        row: 4,
      },
    });
  });

  it("counts the rows of a JSON file without a header", async () => {
    const dataset = parseText('[{"id":"a"},{"id":null}]', "json");
    const stored = await storeDataset(env.DATASET_STORE, freshStoreName(), dataset, { key: "id" });
    expect(stored).toMatchObject({ ok: false, error: { code: "null_key", row: 2 } });
  });

  it("takes a corrected file after a refused key", async () => {
    const name = freshStoreName();
    await storeDataset(env.DATASET_STORE, name, parseText("id\n1\n1\n"), { key: "id" });
    const corrected = parseText("id\n1\n2\n");
    const stored = await storeDataset(env.DATASET_STORE, name, corrected, { key: "id" });
    expect(stored).toEqual({ ok: true, rowCount: 2 });
  });

  it("refuses keys and indexes that are not there, and keys that can't be one", async () => {
    const dataset = parseText("id,price\n1,1.5\n");
    const store = (options: { key?: string; indexes?: string[] }) =>
      storeDataset(env.DATASET_STORE, freshStoreName(), dataset, options);
    expect(await store({ key: "nope" })).toMatchObject({ error: { code: "unknown_column" } });
    expect(await store({ indexes: ["nope"] })).toMatchObject({ error: { code: "unknown_column" } });
    expect(await store({ key: "price" })).toMatchObject({ error: { code: "invalid_key" } });
  });

  it("holds as many columns as a dataset may have, each of them indexed and queried", async () => {
    const names = Array.from({ length: COLUMNS_MAX }, (_, index) => `c${index}`);
    const dataset = parseText(`${names.join(",")}\n${names.map(() => "1").join(",")}\n`);
    const name = freshStoreName();
    const stored = await storeDataset(env.DATASET_STORE, name, dataset, { indexes: names });
    expect(stored.ok).toBe(true);
    expect(await openDataset(env.DATASET_STORE, name).sample(COLUMNS_MAX)).toEqual([
      names.map(() => 1),
    ]);
  });

  it("holds a row close to the 2 MB that the platform can store", async () => {
    const text = '"'.repeat(900_000);
    const dataset = parseText(JSON.stringify([{ id: 1, text }]), "json");
    const name = freshStoreName();
    expect((await storeDataset(env.DATASET_STORE, name, dataset)).ok).toBe(true);
    expect(await openDataset(env.DATASET_STORE, name).sample(2)).toEqual([[1, text]]);
  });
});

describe("a load", () => {
  it("is cut into chunks that can be bound", () => {
    expect(LARGE.chunks.length).toBeGreaterThan(2);
    expect(Math.max(...LARGE.chunks.map(({ length }) => length))).toBeLessThan(CHUNK_BYTES_MAX + 2);
  });

  it("is not readable before it is committed", async () => {
    const load = openLoad();
    await load.begin();
    await load.append(0);
    expect(await load.stub.describe()).toEqual({ result: "not_found" });
    const query = { filter: [], select: [0], order: [], limit: 1, afterRow: null, count: false };
    expect(await load.stub.selectRows(query)).toEqual({ result: "not_found" });
  });

  it("goes on where it was when begun again, and stores a repeated chunk once", async () => {
    const load = openLoad();
    await load.begin();
    await load.append(0);
    await evictDurableObject(load.stub);
    expect(await load.begin()).toEqual({ result: "ready", nextChunk: 1 });
    expect(await load.append(0)).toEqual({ result: "appended", nextChunk: 1 });
    for (let index = 1; index < LARGE.chunks.length; index += 1) await load.append(index);
    expect(await load.commit()).toEqual({ result: "committed" });
    expect(await load.commit()).toEqual({ result: "committed" });
    expect(await load.stub.describe()).toMatchObject({ rowCount: 3_000 });
  });

  it("does not take a chunk out of turn", async () => {
    const load = openLoad();
    await load.begin();
    expect(await load.append(1)).toEqual({ result: "appended", nextChunk: 0 });
  });

  it("can't be committed with chunks missing, and can then be begun again", async () => {
    const load = openLoad();
    await load.begin();
    await load.append(0);
    expect(await load.commit()).toEqual({ result: "checksum_mismatch" });
    expect(await load.begin()).toEqual({ result: "ready", nextChunk: 0 });
  });

  it("gives way to another one that begins under its name", async () => {
    const load = openLoad();
    await load.begin();
    await load.append(0);
    const definition = { columns: [...CITIES.columns], key: null, indexes: [] };
    await load.stub.beginLoad({ definition, checksum: "another" });
    expect(await load.append(1)).toEqual({ result: "superseded" });
    expect(await load.commit()).toEqual({ result: "superseded" });
  });

  it("is cleared away when nobody finishes it, but never once committed", async () => {
    const abandoned = openLoad();
    await abandoned.begin();
    await abandoned.append(0);
    expect(await runDurableObjectAlarm(abandoned.stub)).toBe(true);
    expect(await abandoned.append(1)).toEqual({ result: "superseded" });
    const finished = openLoad(CITIES);
    await finished.begin();
    await finished.append(0);
    await finished.commit();
    await runDurableObjectAlarm(finished.stub);
    expect(await finished.stub.describe()).toMatchObject({ rowCount: 3 });
  });
});

describe("a page", () => {
  it("ends early rather than grow beyond what one reply should carry", async () => {
    const lines = manyLines(30, "y".repeat(400_000));
    const name = freshStoreName();
    await storeDataset(env.DATASET_STORE, name, parseText(`id,text\n${lines}`));
    const dataset = openDataset(env.DATASET_STORE, name);
    const query = {
      filter: [],
      select: [0, 1],
      order: [],
      limit: 30,
      afterRow: null,
      count: false,
    };
    const page = await dataset.select(query);
    if (page.result !== "rows") throw new Error(page.result);
    expect(page.rows).toHaveLength(Math.floor(PAGE_BYTES_MAX / 400_016));
    expect(page.nextAfterRow).toBe(page.rows.length);
  });

  it("reads few rows where an index serves the filter or the order", async () => {
    const name = freshStoreName();
    await storeDataset(env.DATASET_STORE, name, LARGE, { key: "id" });
    const dataset = openDataset(env.DATASET_STORE, name);
    const base = { filter: [], select: [0], order: [], limit: 10, afterRow: null, count: false };
    const byKey = await dataset.select({ ...base, filter: [{ op: "eq", column: 0, operand: 7 }] });
    expect(byKey).toMatchObject({ rows: [[7]], rowsRead: 1 });
    const order = [
      { column: 0, direction: "desc" as const, nulls: "first" as const, nullable: false },
    ];
    const ordered = await dataset.select({ ...base, order, afterRow: 1_500 });
    if (ordered.result !== "rows") throw new Error(ordered.result);
    expect(ordered.rows[0]).toEqual([1_498]);
    expect(ordered.rowsRead).toBeLessThan(40);
  });
});
