import { openDataset } from "../../durable-objects/dataset-store/client.ts";
import type { ExportLine } from "../contracts/export.ts";
import { problem } from "../payment/problems/problem.ts";
import { downloadRows } from "../runtime/dataset.ts";
import { readDatasetVersion } from "../tenant/directory/export-rows.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { exportLines } from "../tenant/export-tenant.ts";

/** What is sent at once: lines are short, and each chunk costs about as much as a line of this length. */
const CHUNK_CHARACTERS_MIN = 64 * 1024;

/** @param url of the export: rows of datasets are below it */
export function exportAnswer(env: Env, tenant: TenantRecord, url: string): Response {
  const { origin, pathname } = new URL(url);
  const rowsUrl = (name: string, version: string) =>
    `${origin}${pathname}/datasets/${name}/${version}`;
  return new Response(streamLines(exportLines(env, tenant, rowsUrl)), {
    headers: {
      "Content-Type": "application/x-ndjson",
      "Content-Disposition": `attachment; filename="${tenant.tenantId}.ndjson"`,
    },
  });
}

/** Rows of one version as NDJSON, in upload order. */
export async function exportRowsAnswer(
  env: Env,
  tenant: TenantRecord,
  name: string,
  version: string,
): Promise<Response> {
  const dataset = await readDatasetVersion(env.DB, tenant.serial, name, version);
  if (dataset === null) return problem("not_found");
  const { store, key, columns } = dataset;
  return await downloadRows(
    openDataset(env.DATASET_STORE, store),
    { kind: "dataset", dataset: name, store, mode: "download", key, columns },
    "ndjson",
  );
}

/** As fast as the reader takes it. */
function streamLines(lines: AsyncGenerator<ExportLine>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk = "";
      while (chunk.length < CHUNK_CHARACTERS_MIN) {
        const line = await lines.next();
        if (line.done === true) {
          if (chunk !== "") controller.enqueue(encoder.encode(chunk));
          controller.close();
          return;
        }
        chunk += `${JSON.stringify(line.value)}\n`;
      }
      controller.enqueue(encoder.encode(chunk));
    },
    async cancel() {
      await lines.return(undefined);
    },
  });
}
