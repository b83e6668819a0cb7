/**
 * Messages between a DatasetStore and its callers (`durable-objects/dataset-store/client.ts`). A query crosses RPC as
 * plain data that names columns by position: SQL is made inside the object only, so no text of a caller is ever SQL.
 */
import type { Column } from "./snapshot.ts";

/** A stored cell. Booleans are 0 and 1; dates, datetimes and json are text. */
export type Cell = string | number | null;
export type Row = Cell[];
/** What a column is compared with: coerced to the column's stored form. */
export type Operand = string | number;

export type ComparisonOperator = "eq" | "neq" | "gt" | "gte" | "lt" | "lte";
export type TextOperator = "contains" | "startswith" | "endswith";

export type Predicate =
  | { op: ComparisonOperator; column: number; operand: Operand }
  | { op: TextOperator; column: number; operand: string }
  | { op: "between"; column: number; low: Operand; high: Operand }
  | { op: "in"; column: number; operands: Operand[] }
  | { op: "is"; column: number; operand: Cell };

/** Three-valued as in SQL: a comparison with null is neither true nor false, and neither is its negation. */
export type Condition =
  | Predicate
  | { op: "not"; condition: Condition }
  | { op: "and" | "or"; conditions: Condition[] };

export interface OrderKey {
  column: number;
  direction: "asc" | "desc";
  nulls: "first" | "last";
  /** Whether the column has nulls at all: without them an index can serve the order. */
  nullable: boolean;
}

export interface DatasetQuery {
  /** All must hold; empty means every row. */
  filter: Condition[];
  /** Positions of the columns to return, in this order. */
  select: number[];
  /** Rows that are equal under all keys follow in upload order. */
  order: OrderKey[];
  limit: number;
  /** Number of the row after which the page starts in this order; null for the first page. */
  afterRow: number | null;
  /** Whether to count all rows that match. */
  count: boolean;
}

/** One immutable version: what a DatasetStore is asked to hold. */
export interface DatasetDefinition {
  columns: Column[];
  /** Position of the column whose values are unique and never null. */
  key: number | null;
  /** Positions of the columns that get an index. */
  indexes: number[];
}

export interface BeginLoad {
  definition: DatasetDefinition;
  /** `datasetChecksum` of definition and chunks: identifies the content, so a load can be repeated or resumed. */
  checksum: string;
}
export type BeginReply =
  | { result: "ready"; nextChunk: number }
  | { result: "committed" }
  /** The store holds another content already, and a committed version never changes. */
  | { result: "conflict" };

export interface AppendChunk {
  checksum: string;
  /** Position of the chunk, from 0: a chunk sent twice is stored once. */
  index: number;
  /** JSON text of an array of rows. */
  chunk: string;
}
export type AppendReply =
  | { result: "appended"; nextChunk: number }
  /** Another load began since. */
  | { result: "superseded" };

export interface CommitLoad {
  checksum: string;
  rowCount: number;
}
export type CommitReply =
  | { result: "committed" }
  | { result: "superseded" }
  /** What was stored is not what was announced; begin again. */
  | { result: "checksum_mismatch" }
  /** Rows are numbered from 1. */
  | { result: "duplicate_key"; value: string; firstRow: number; row: number }
  | { result: "null_key"; row: number };

export type SelectReply =
  | {
      result: "rows";
      rows: Row[];
      /** Row to continue after, or null when this was the last page. */
      nextAfterRow: number | null;
      /** Rows that match in all; null unless asked for. */
      count: number | null;
      /** Rows SQLite read for it: what the platform is billed for. */
      rowsRead: number;
    }
  | { result: "scan_budget_exceeded"; rowsRead: number }
  /** Nothing is committed under this name. */
  | { result: "not_found" };

export type DescribeReply =
  | { result: "described"; definition: DatasetDefinition; rowCount: number; checksum: string }
  | { result: "not_found" };
