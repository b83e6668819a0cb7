/** From a checked query to SQL: identifiers are made of positions, every value is bound. */
import type { Cell, Condition, DatasetQuery, OrderKey, Predicate } from "../contracts/dataset.ts";
import { columnIdentifier, ROW_NUMBER, ROWS_TABLE } from "./storage-names.ts";

export interface Statement {
  readonly sql: string;
  readonly bindings: readonly Cell[];
}

const COMPARISONS = { eq: "=", neq: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;
const JUNCTIONS = { and: " AND ", or: " OR " } as const;

/** The row in question, and the row the page before ended with. */
const ROW = "r";
const LAST = "l";

/** The page's rows, each with its row number as the last cell; one more than the limit tells whether there are more. */
export function toSql(query: DatasetQuery): Statement {
  const filter = conjunction(query.filter);
  const columns = [...query.select.map(rowColumn), `${ROW}.${ROW_NUMBER}`].join(", ");
  const order = [...query.order.map(orderTerm), `${ROW}.${ROW_NUMBER}`].join(", ");
  const { tables, where, bindings } = pageStart(query);
  return {
    sql: `SELECT ${columns} FROM ${tables} WHERE ${where} AND ${filter.sql} ORDER BY ${order} LIMIT ?`,
    bindings: [...bindings, ...filter.bindings, query.limit + 1],
  };
}

/** The number of rows that match, whatever page is asked for. */
export function toCountSql(query: DatasetQuery): Statement {
  const { sql, bindings } = conjunction(query.filter);
  return { sql: `SELECT COUNT(*) AS count FROM ${ROWS_TABLE} AS ${ROW} WHERE ${sql}`, bindings };
}

/**
 * Keyset pagination. The last row is looked up by its number, for the cursor to carry no values: CROSS JOIN makes it
 * the outer row, after which an index on the first key can be entered where the page starts.
 */
function pageStart({ order, afterRow }: DatasetQuery): {
  readonly tables: string;
  readonly where: string;
  readonly bindings: readonly Cell[];
} {
  if (afterRow === null) return { tables: `${ROWS_TABLE} AS ${ROW}`, where: "TRUE", bindings: [] };
  const [first] = order;
  if (first === undefined) {
    const where = `${ROW}.${ROW_NUMBER} > ?`;
    return { tables: `${ROWS_TABLE} AS ${ROW}`, where, bindings: [afterRow] };
  }
  const tables = `${ROWS_TABLE} AS ${LAST} CROSS JOIN ${ROWS_TABLE} AS ${ROW}`;
  const entry = first.nullable
    ? "TRUE"
    : `${rowColumn(first.column)} ${reach(first)}= ${lastColumn(first.column)}`;
  const where = `${LAST}.${ROW_NUMBER} = ? AND ${entry} AND ${comesAfter(order)}`;
  return { tables, where, bindings: [afterRow] };
}

/** Whether the row stands behind the last row, key by key and then by number. */
function comesAfter(order: readonly OrderKey[]): string {
  const [key, ...rest] = order;
  if (key === undefined) return `${ROW}.${ROW_NUMBER} > ${LAST}.${ROW_NUMBER}`;
  const [row, last] = [rowColumn(key.column), lastColumn(key.column)];
  const [later, earlier] = key.nulls === "last" ? [row, last] : [last, row];
  const passesNull = key.nullable ? ` OR (${later} IS NULL AND ${earlier} IS NOT NULL)` : "";
  return `(${row} ${reach(key)} ${last}${passesNull} OR (${row} IS ${last} AND ${comesAfter(rest)}))`;
}

function reach(key: OrderKey): ">" | "<" {
  return key.direction === "asc" ? ">" : "<";
}

function orderTerm(key: OrderKey): string {
  const term = `${rowColumn(key.column)} ${key.direction === "asc" ? "ASC" : "DESC"}`;
  // Without nulls the clause would only keep SQLite from using an index.
  if (!key.nullable) return term;
  return `${term} NULLS ${key.nulls === "first" ? "FIRST" : "LAST"}`;
}

function conjunction(conditions: readonly Condition[]): Statement {
  return conditions.length === 0
    ? { sql: "TRUE", bindings: [] }
    : conditionSql({ op: "and", conditions: [...conditions] });
}

function conditionSql(condition: Condition): Statement {
  switch (condition.op) {
    case "not": {
      const { sql, bindings } = conditionSql(condition.condition);
      return { sql: `NOT (${sql})`, bindings };
    }
    case "and":
    case "or": {
      const parts = condition.conditions.map(conditionSql);
      const sql = parts.map((part) => part.sql).join(JUNCTIONS[condition.op]);
      return { sql: `(${sql})`, bindings: parts.flatMap((part) => part.bindings) };
    }
    default:
      return predicateSql(condition);
  }
}

function predicateSql(predicate: Predicate): Statement {
  const column = rowColumn(predicate.column);
  switch (predicate.op) {
    case "is":
      return { sql: `${column} IS ?`, bindings: [predicate.operand] };
    case "between":
      return { sql: `${column} BETWEEN ? AND ?`, bindings: [predicate.low, predicate.high] };
    case "in":
      // One binding however long the list is: a statement has at most 100.
      return {
        sql: `${column} IN (SELECT value FROM json_each(?))`,
        bindings: [JSON.stringify(predicate.operands)],
      };
    // No LIKE: its patterns have at most 50 bytes, its wildcards would need escaping, and it ignores case.
    case "contains":
      return { sql: `instr(${column}, ?) > 0`, bindings: [predicate.operand] };
    case "startswith": {
      const bindings = [characterCount(predicate.operand), predicate.operand];
      return { sql: `substr(${column}, 1, ?) = ?`, bindings };
    }
    case "endswith": {
      const bindings = [-characterCount(predicate.operand), predicate.operand];
      return { sql: `substr(${column}, ?) = ?`, bindings };
    }
    default: {
      const sql = `${column} ${COMPARISONS[predicate.op]} ?`;
      return { sql, bindings: [predicate.operand] };
    }
  }
}

/** SQLite counts code points. */
function characterCount(text: string): number {
  return Array.from(text).length;
}

function rowColumn(position: number): string {
  return `${ROW}.${columnIdentifier(position)}`;
}

function lastColumn(position: number): string {
  return `${LAST}.${columnIdentifier(position)}`;
}
