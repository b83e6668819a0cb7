/** `PUT /v1/datasets/{name}`: a file becomes a new immutable version, which the next deployment puts on sale. */
import { Hono } from "hono";
import * as z from "zod";
import { storeDataset } from "../../durable-objects/dataset-store/client.ts";
import { datasetNameSchema } from "../contracts/manifest.ts";
import type { UploadReport } from "../contracts/tenant-api.ts";
import type { DatasetError } from "../dataset/dataset-error.ts";
import { datasetFormatOf } from "../dataset/dataset-format.ts";
import { UPLOAD_BYTES_MAX } from "../dataset/limits.ts";
import { parseDataset } from "../dataset/parse-dataset.ts";
import { problem } from "../payment/problems/problem.ts";
import {
  countOtherDatasets,
  type DatasetVersion,
  insertDatasetVersion,
} from "../tenant/directory/datasets.ts";
import { readEffectiveLimits } from "../tenant/directory/limit-overrides.ts";
import { limitBody, parseValue, refuse } from "./request.ts";
import { requireTenant, type TenantEnv } from "./require-tenant.ts";
import { parseUploadOptions } from "./upload-options.ts";

/** A manifest sells 200 routes at most, so this is plenty; without a bound a key could fill the platform. */
const DATASETS_MAX = 100;

const ACCEPTED_MEDIA_TYPES = "text/csv, application/json, application/x-ndjson";

const pathSchema = z.object({ name: datasetNameSchema });

export const datasets = new Hono<TenantEnv>();
datasets.use(requireTenant);

datasets.put("/:name", limitBody(UPLOAD_BYTES_MAX), async (context) => {
  const { tenant } = context.var;
  const path = parseValue({ name: context.req.param("name") }, pathSchema);
  if (!path.ok) return path.response;
  const { name } = path.value;
  const format = datasetFormatOf(context.req.header("Content-Type") ?? "");
  if (format === null) {
    return problem("unsupported_media_type", {
      detail: `Send the file as one of ${ACCEPTED_MEDIA_TYPES}.`,
      headers: { Accept: ACCEPTED_MEDIA_TYPES },
    });
  }
  const options = parseUploadOptions(new URL(context.req.url).searchParams);
  if (!options.ok) return options.response;
  if ((await countOtherDatasets(context.env.DB, tenant.serial, name)) >= DATASETS_MAX) {
    return refuse("invalid_request", [
      { field: "name", message: `would be one of more than ${DATASETS_MAX} datasets` },
    ]);
  }
  const bytes = new Uint8Array(await context.req.arrayBuffer());
  const limits = await readEffectiveLimits(context.env.DB, tenant, Date.now());
  const parsed = parseDataset(bytes, format, {
    types: options.value.type,
    bytesMax: limits.datasetBytesMax,
    rowsMax: limits.datasetRowsMax,
  });
  if (!parsed.ok) return refuseUpload(parsed.error);
  const { columns, rowCount, problems } = parsed.dataset;

  // Named at random: uploads at the same time, and repeated ones, never meet in one object.
  const versionId = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  const version: DatasetVersion = {
    name,
    version: versionId,
    store: `${tenant.tenantId}/${name}/${versionId}`,
    columns: [...columns],
    key: options.value.key ?? null,
    indexes: options.value.index,
    rows: rowCount,
    bytes: bytes.length,
    createdAtMs: Date.now(),
  };
  const stored = await storeDataset(context.env.DATASET_STORE, version.store, parsed.dataset, {
    ...(version.key === null ? {} : { key: version.key }),
    indexes: version.indexes,
  });
  if (!stored.ok) return refuseUpload(stored.error);
  await insertDatasetVersion(context.env.DB, tenant, version);
  const report: UploadReport = {
    dataset: name,
    version: versionId,
    rows: rowCount,
    columns: version.columns,
    problems: [...problems],
  };
  return context.json(report, 201);
});

function refuseUpload(error: DatasetError): Response {
  const { code, message, column, row } = error;
  return problem(code === "dataset_too_large" ? "payload_too_large" : "invalid_request", {
    detail: `${message}.`,
    extra: { reason: code, errors: [{ field: column ?? "", row, message }] },
  });
}
