import type { DatasetDefinition } from "../../src/contracts/dataset.ts";
import type { ColumnType } from "../../src/contracts/snapshot.ts";
import { columnIdentifier, ROW_NUMBER, ROWS_TABLE } from "../../src/dataset/storage-names.ts";

const STORAGE_TYPES: Readonly<Record<ColumnType, "INTEGER" | "REAL" | "TEXT">> = {
  integer: "INTEGER",
  number: "REAL",
  boolean: "INTEGER",
  date: "TEXT",
  datetime: "TEXT",
  string: "TEXT",
  json: "TEXT",
};

export const DROP_ROWS = `DROP TABLE IF EXISTS ${ROWS_TABLE}`;

/** Rows are numbered without gaps, so the last number is their count. */
export const COUNT_ROWS = `SELECT IFNULL(MAX(${ROW_NUMBER}), 0) AS count FROM ${ROWS_TABLE}`;

export function createRows({ columns }: DatasetDefinition): string {
  const definitions = columns.map(({ type, nullable }, position) => {
    const constraint = nullable ? "" : " NOT NULL";
    return `${columnIdentifier(position)} ${STORAGE_TYPES[type]}${constraint}`;
  });
  const all = [`${ROW_NUMBER} INTEGER PRIMARY KEY`, ...definitions].join(", ");
  return `CREATE TABLE ${ROWS_TABLE} (${all}) STRICT`;
}

/** Takes the number of rows before the chunk and the chunk: one binding each, however many cells it has. */
export function insertChunk({ columns }: DatasetDefinition): string {
  const names = columns.map((_, position) => columnIdentifier(position)).join(", ");
  const values = columns.map((_, position) => `value ->> ${position}`).join(", ");
  return (
    `INSERT INTO ${ROWS_TABLE} (${ROW_NUMBER}, ${names}) ` +
    `SELECT ? + key + 1, ${values} FROM json_each(?)`
  );
}

/** The key's index is unique; the others are for filters and orders. */
export function createIndexes({ key, indexes }: DatasetDefinition): string[] {
  const others = new Set(indexes.filter((position) => position !== key));
  return [
    ...(key === null ? [] : [createIndex(key, "UNIQUE INDEX")]),
    ...[...others].map((position) => createIndex(position, "INDEX")),
  ];
}

function createIndex(position: number, kind: "INDEX" | "UNIQUE INDEX"): string {
  return `CREATE ${kind} "by_c${position}" ON ${ROWS_TABLE} (${columnIdentifier(position)})`;
}

/** Finds the first row without a key. */
export function findNullKey(key: number): string {
  return (
    `SELECT ${ROW_NUMBER} AS row FROM ${ROWS_TABLE} ` +
    `WHERE ${columnIdentifier(key)} IS NULL ORDER BY ${ROW_NUMBER} LIMIT 1`
  );
}

/** Finds the first row whose key an earlier row has, and that earlier row. */
export function findDuplicateKey(key: number): string {
  const column = columnIdentifier(key);
  const earlier = `LAG(${ROW_NUMBER}) OVER (PARTITION BY ${column} ORDER BY ${ROW_NUMBER})`;
  return (
    `SELECT ${ROW_NUMBER} AS row, first_row, CAST(${column} AS TEXT) AS value ` +
    `FROM (SELECT ${ROW_NUMBER}, ${column}, ${earlier} AS first_row FROM ${ROWS_TABLE}) ` +
    `WHERE first_row IS NOT NULL ORDER BY ${ROW_NUMBER} LIMIT 1`
  );
}
