import type {
  CommitReply,
  DatasetDefinition,
  DatasetQuery,
  DescribeReply,
  Row,
  SelectReply,
} from "../../src/contracts/dataset.ts";
import type { ColumnType } from "../../src/contracts/snapshot.ts";
import { datasetChecksum } from "../../src/dataset/checksum.ts";
import { datasetFailure, type DatasetFailure } from "../../src/dataset/dataset-error.ts";
import { SAMPLE_ROWS_MAX } from "../../src/dataset/limits.ts";
import { unknownColumn, type ParsedDataset } from "../../src/dataset/parse-dataset.ts";
import type { DatasetStore } from "./dataset-store.ts";

export type DatasetNamespace = DurableObjectNamespace<DatasetStore>;

/** Types whose values can be the last segment of a URL and mean one row. */
const KEY_TYPES: ReadonlySet<ColumnType> = new Set(["integer", "string", "date", "datetime"]);

export interface StoreOptions {
  /** Published name of the column with a unique value for every row. */
  readonly key?: string;
  /** Published names of columns that are often filtered or ordered by. */
  readonly indexes?: readonly string[];
}

export type StoreResult = { readonly ok: true; readonly rowCount: number } | DatasetFailure;

/**
 * Stores a parsed dataset as the version of this name, all of it or nothing. Sending the same again changes nothing;
 * another content under a name in use is refused.
 */
export async function storeDataset(
  namespace: DatasetNamespace,
  storeName: string,
  dataset: ParsedDataset,
  options: StoreOptions = {},
): Promise<StoreResult> {
  const defined = defineDataset(dataset, options);
  if (!defined.ok) return defined;
  const { definition } = defined;
  const { chunks, rowCount } = dataset;
  const checksum = datasetChecksum(definition, chunks);
  const stub = namespace.getByName(storeName);
  const begun = await stub.beginLoad({ definition, checksum });
  if (begun.result === "committed") return { ok: true, rowCount };
  if (begun.result === "conflict") return loadConflict();
  for (let index = begun.nextChunk; index < chunks.length; index += 1) {
    const appended = await stub.appendChunk({ checksum, index, chunk: chunks[index] ?? "[]" });
    if (appended.result === "superseded") return loadConflict();
  }
  const committed = await stub.commitLoad({ checksum, rowCount });
  return committed.result === "committed"
    ? { ok: true, rowCount }
    : explainCommit(committed, dataset, options.key ?? "");
}

/** Removes a version for good; one that is not there is nothing. */
export async function removeDataset(namespace: DatasetNamespace, storeName: string): Promise<void> {
  await namespace.getByName(storeName).remove();
}

/** Reads one version; every method is one call of its object. */
export interface StoredDataset {
  select(query: DatasetQuery): Promise<SelectReply>;
  describe(): Promise<DescribeReply>;
  /** The first rows, `SAMPLE_ROWS_MAX` at most; none when there is no such version. */
  sample(columnCount: number): Promise<Row[]>;
}

export function openDataset(namespace: DatasetNamespace, storeName: string): StoredDataset {
  const stub = namespace.getByName(storeName);
  return {
    select: (query) => stub.selectRows(query),
    describe: () => stub.describe(),
    sample: async (columnCount) => {
      const reply = await stub.selectRows(allRows(columnCount, SAMPLE_ROWS_MAX));
      return reply.result === "rows" ? reply.rows : [];
    },
  };
}

/** The query for all rows and columns, in upload order, page by page. */
export function allRows(columnCount: number, limit: number): DatasetQuery {
  const select = Array.from({ length: columnCount }, (_, position) => position);
  return { filter: [], select, order: [], limit, afterRow: null, count: false };
}

function defineDataset(
  dataset: ParsedDataset,
  options: StoreOptions,
): { readonly ok: true; readonly definition: DatasetDefinition } | DatasetFailure {
  const names = dataset.columns.map(({ name }) => name);
  const named = [...(options.key === undefined ? [] : [options.key]), ...(options.indexes ?? [])];
  const unknown = named.find((name) => !names.includes(name));
  if (unknown !== undefined) return unknownColumn(unknown, names);
  const key = options.key === undefined ? null : names.indexOf(options.key);
  const keyColumn = key === null ? undefined : dataset.columns[key];
  if (keyColumn !== undefined && !KEY_TYPES.has(keyColumn.type)) {
    const message = `${keyColumn.name} is of type ${keyColumn.type}, which can't be a key`;
    return datasetFailure("invalid_key", message, { column: keyColumn.name });
  }
  const indexes = (options.indexes ?? []).map((name) => names.indexOf(name));
  return { ok: true, definition: { columns: [...dataset.columns], key, indexes } };
}

function explainCommit(
  reply: Exclude<CommitReply, { result: "committed" }>,
  { headerRows }: ParsedDataset,
  key: string,
): DatasetFailure {
  switch (reply.result) {
    case "null_key": {
      const row = reply.row + headerRows;
      return datasetFailure("null_key", `row ${row} has no key ${key}`, { column: key, row });
    }
    case "duplicate_key": {
      const [row, firstRow] = [reply.row + headerRows, reply.firstRow + headerRows];
      const value = JSON.stringify(reply.value.slice(0, 80));
      const message = `rows ${firstRow} and ${row} have the same key ${key}, ${value}`;
      return datasetFailure("duplicate_key", message, { column: key, row });
    }
    default:
      return loadConflict();
  }
}

function loadConflict(): DatasetFailure {
  const message = "another upload is writing, or has written, this version; upload again";
  return datasetFailure("load_conflict", message);
}
