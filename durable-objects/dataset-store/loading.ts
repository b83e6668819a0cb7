/**
 * How a version gets into its object: begin, append chunk by chunk, commit. Each step is one transaction and can be
 * repeated, so a load whose replies were lost is simply sent again and goes on where it was.
 */
import type {
  AppendChunk,
  AppendReply,
  BeginLoad,
  BeginReply,
  CommitLoad,
  CommitReply,
  DatasetDefinition,
} from "../../src/contracts/dataset.ts";
import { definitionDigest, nextDigest } from "../../src/dataset/checksum.ts";
import {
  COUNT_ROWS,
  createIndexes,
  createRows,
  DROP_ROWS,
  findDuplicateKey,
  findNullKey,
  insertChunk,
} from "./schema.ts";

const STATE_KEY = "dataset";

/** What the object knows about its rows; stored as one value beside them. */
export interface DatasetState {
  readonly definition: DatasetDefinition;
  /** Of the content announced by `begin`. */
  readonly checksum: string;
  /** Of what has arrived. */
  readonly digest: string;
  readonly chunkCount: number;
  readonly rowCount: number;
  /** From then on nothing changes any more. */
  readonly isCommitted: boolean;
}

export function readState(storage: DurableObjectStorage): DatasetState | null {
  return storage.kv.get<DatasetState>(STATE_KEY) ?? null;
}

export function beginLoad(storage: DurableObjectStorage, request: BeginLoad): BeginReply {
  const state = readState(storage);
  if (state !== null && state.checksum === request.checksum) {
    if (state.isCommitted) return { result: "committed" };
    return { result: "ready", nextChunk: state.chunkCount };
  }
  if (state?.isCommitted === true) return { result: "conflict" };
  const { definition, checksum } = request;
  storage.transactionSync(() => {
    storage.sql.exec(DROP_ROWS);
    storage.sql.exec(createRows(definition));
    const digest = definitionDigest(definition);
    writeState(storage, {
      definition,
      checksum,
      digest,
      chunkCount: 0,
      rowCount: 0,
      isCommitted: false,
    });
  });
  return { result: "ready", nextChunk: 0 };
}

/** A chunk out of turn is not stored: the reply says which one is next. */
export function appendChunk(storage: DurableObjectStorage, request: AppendChunk): AppendReply {
  const state = readState(storage);
  if (state === null || state.checksum !== request.checksum) return { result: "superseded" };
  if (state.isCommitted || request.index !== state.chunkCount) {
    return { result: "appended", nextChunk: state.chunkCount };
  }
  const nextChunk = state.chunkCount + 1;
  storage.transactionSync(() => {
    storage.sql.exec(insertChunk(state.definition), state.rowCount, request.chunk);
    writeState(storage, {
      ...state,
      digest: nextDigest(state.digest, request.chunk),
      chunkCount: nextChunk,
      rowCount: storage.sql.exec<{ count: number }>(COUNT_ROWS).one().count,
    });
  });
  return { result: "appended", nextChunk };
}

export function commitLoad(storage: DurableObjectStorage, request: CommitLoad): CommitReply {
  const state = readState(storage);
  if (state === null || state.checksum !== request.checksum) return { result: "superseded" };
  if (state.isCommitted) return { result: "committed" };
  if (state.digest !== request.checksum || state.rowCount !== request.rowCount) {
    // What arrived is of no use, and would stand in the way of a repeated load.
    storage.kv.delete(STATE_KEY);
    return { result: "checksum_mismatch" };
  }
  const { key } = state.definition;
  const keyProblem = key === null ? null : checkKey(storage.sql, key);
  if (keyProblem !== null) return keyProblem;
  storage.transactionSync(() => {
    for (const statement of createIndexes(state.definition)) storage.sql.exec(statement);
    writeState(storage, { ...state, isCommitted: true });
  });
  return { result: "committed" };
}

function checkKey(sql: SqlStorage, key: number): CommitReply | null {
  const [missing] = sql.exec<{ row: number }>(findNullKey(key));
  if (missing !== undefined) return { result: "null_key", row: missing.row };
  const [duplicate] = sql.exec<{ row: number; first_row: number; value: string }>(
    findDuplicateKey(key),
  );
  if (duplicate === undefined) return null;
  const { row, first_row: firstRow, value } = duplicate;
  return { result: "duplicate_key", row, firstRow, value };
}

function writeState(storage: DurableObjectStorage, state: DatasetState): void {
  storage.kv.put(STATE_KEY, state);
}
