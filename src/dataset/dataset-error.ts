import type { UploadReport } from "../contracts/tenant-api.ts";

/** A line of the upload report. */
export type UploadProblem = UploadReport["problems"][number];

/** Why an upload was refused. The row is 1-based and counts the header, as in the upload report. */
export interface DatasetError {
  readonly code: DatasetErrorCode;
  /** What is wrong and what to do, for the dataset's owner. */
  readonly message: string;
  readonly column: string | null;
  readonly row: number | null;
}

export type DatasetErrorCode =
  | "dataset_too_large"
  | "not_utf8"
  | "invalid_csv"
  | "invalid_json"
  | "ragged_row"
  | "empty_dataset"
  | "too_many_rows"
  | "too_many_columns"
  | "row_too_large"
  | "invalid_text"
  | "duplicate_field"
  | "unknown_column"
  | "type_mismatch"
  | "invalid_key"
  | "duplicate_key"
  | "null_key"
  | "load_conflict";

export interface DatasetFailure {
  readonly ok: false;
  readonly error: DatasetError;
}

export function datasetFailure(
  code: DatasetErrorCode,
  message: string,
  place: { readonly column?: string; readonly row?: number } = {},
): DatasetFailure {
  return {
    ok: false,
    error: { code, message, column: place.column ?? null, row: place.row ?? null },
  };
}
