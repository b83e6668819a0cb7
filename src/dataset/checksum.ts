import { createHash } from "node:crypto";
import type { DatasetDefinition } from "../contracts/dataset.ts";

/** SHA-256 hex over a definition and all its chunks, taken one by one: both ends can follow a load with it. */
export function datasetChecksum(definition: DatasetDefinition, chunks: readonly string[]): string {
  return chunks.reduce(nextDigest, definitionDigest(definition));
}

/** The checksum of a dataset of which no chunk is there yet. */
export function definitionDigest(definition: DatasetDefinition): string {
  return createHash("sha256").update(JSON.stringify(definition)).digest("hex");
}

/** The checksum after one more chunk. */
export function nextDigest(digest: string, chunk: string): string {
  return createHash("sha256").update(digest).update(chunk).digest("hex");
}
