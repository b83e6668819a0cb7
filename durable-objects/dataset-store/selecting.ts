import type { Cell, DatasetQuery, Row, SelectReply } from "../../src/contracts/dataset.ts";
import { PAGE_BYTES_MAX, SCAN_ROWS_MAX } from "../../src/dataset/limits.ts";
import { toCountSql, toSql } from "../../src/dataset/query-sql.ts";

/** About what a number takes in JSON; pages need no exact measure. */
const NUMBER_BYTES = 8;

/** Runs a query within the scan budget. A page ends at its limit, or earlier when it would get too large. */
export function selectRows(sql: SqlStorage, query: DatasetQuery): SelectReply {
  const counted = query.count ? countRows(sql, query) : { count: null, rowsRead: 0 };
  const statement = toSql(query);
  const cursor = sql.exec(statement.sql, ...statement.bindings);
  const rows: Row[] = [];
  let [bytes, lastRow, hasMore] = [0, 0, false];
  for (const cells of cursor.raw<Cell[]>()) {
    const rowsRead = counted.rowsRead + cursor.rowsRead;
    if (rowsRead > SCAN_ROWS_MAX) return { result: "scan_budget_exceeded", rowsRead };
    bytes += cells.reduce<number>((sum, cell) => sum + sizeOf(cell), 0);
    hasMore = rows.length === query.limit || (rows.length > 0 && bytes > PAGE_BYTES_MAX);
    if (hasMore) break;
    lastRow = Number(cells.pop());
    rows.push(cells);
  }
  return {
    result: "rows",
    rows,
    nextAfterRow: hasMore ? lastRow : null,
    count: counted.count,
    rowsRead: counted.rowsRead + cursor.rowsRead,
  };
}

function countRows(sql: SqlStorage, query: DatasetQuery): { count: number; rowsRead: number } {
  const statement = toCountSql(query);
  const cursor = sql.exec<{ count: number }>(statement.sql, ...statement.bindings);
  return { count: cursor.one().count, rowsRead: cursor.rowsRead };
}

function sizeOf(cell: Cell): number {
  return typeof cell === "string" ? cell.length : NUMBER_BYTES;
}
