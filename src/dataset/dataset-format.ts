/** The formats a dataset is uploaded in and answered in. */
export const DATASET_FORMATS = ["json", "csv", "ndjson"] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

const FORMATS_BY_MEDIA_TYPE: Readonly<Record<string, DatasetFormat>> = {
  "text/csv": "csv",
  "application/csv": "csv",
  "text/tab-separated-values": "csv",
  "application/json": "json",
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
};

/** The format of a `Content-Type`, or null when it is none of ours. */
export function datasetFormatOf(contentType: string): DatasetFormat | null {
  const mediaType = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return Object.hasOwn(FORMATS_BY_MEDIA_TYPE, mediaType)
    ? (FORMATS_BY_MEDIA_TYPE[mediaType] ?? null)
    : null;
}
