/** The rows of a dataset that anyone may see. */
import { openDataset } from "../../../durable-objects/dataset-store/client.ts";
import type { DatasetHandlerDefinition } from "../../contracts/snapshot.ts";
import { SAMPLE_BYTES_MAX, sampleRowsMax } from "../../dataset/limits.ts";
import { rowFormat } from "../../dataset/row-format.ts";
import type { JsonObject } from "../../payment/wire.ts";

/** Of 64 KiB each: 6 MB of an isolate's 128. */
const REMEMBERED_MAX = 100;

/** By store, whose version never changes, so that nobody's curiosity keeps an object from those who pay. */
const remembered = new Map<string, readonly JsonObject[]>();

export async function datasetSample(
  env: Pick<Env, "DATASET_STORE">,
  definition: DatasetHandlerDefinition,
): Promise<readonly JsonObject[]> {
  const known = remembered.get(definition.store);
  if (known !== undefined) return known;
  const rows = await readSample(env, definition);
  const [oldest] = remembered.keys();
  if (oldest !== undefined && remembered.size >= REMEMBERED_MAX) remembered.delete(oldest);
  remembered.set(definition.store, rows);
  return rows;
}

async function readSample(
  env: Pick<Env, "DATASET_STORE">,
  { store, columns }: DatasetHandlerDefinition,
): Promise<JsonObject[]> {
  const dataset = openDataset(env.DATASET_STORE, store);
  const described = await dataset.describe();
  const rowsMax = described.result === "described" ? sampleRowsMax(described.rowCount) : 0;
  if (rowsMax === 0) return [];
  const { row: write } = rowFormat("json", columns);
  const sample: JsonObject[] = [];
  let bytesLeft = SAMPLE_BYTES_MAX;
  for (const row of (await dataset.sample(columns.length)).slice(0, rowsMax)) {
    const text = write(row);
    bytesLeft -= new TextEncoder().encode(text).byteLength;
    if (bytesLeft < 0) break;
    sample.push(JSON.parse(text));
  }
  return sample;
}
