/**
 * Sells a dataset: pages of rows (`list`), one row (`item`) or all of it (`download`). A version never changes, so the
 * same query on the same version gives the same bytes, and its ETag follows from the two.
 */
import { createHash } from "node:crypto";
import {
  allRows,
  openDataset,
  type DatasetNamespace,
  type StoredDataset,
} from "../../durable-objects/dataset-store/client.ts";
import type { DatasetQuery, Row, SelectReply } from "../contracts/dataset.ts";
import type { Column, DatasetHandlerDefinition } from "../contracts/snapshot.ts";
import { encodeCursor } from "../dataset/cursor.ts";
import type { DatasetFormat } from "../dataset/dataset-format.ts";
import { DOWNLOAD_PAGE_ROWS } from "../dataset/limits.ts";
import { parseDownloadQuery, parseItemQuery, parseQuery } from "../dataset/parse-query.ts";
import type { ParameterFailure } from "../dataset/query-parameters.ts";
import { formatRows, rowFormat } from "../dataset/row-format.ts";
import { problem } from "../payment/problems/problem.ts";
import type { Handler, HandlerContext } from "./handler.ts";

type Call = Pick<HandlerContext, "params">;

/** Parameters that were checked, and what is left to do. */
type Plan =
  | { readonly ok: true; readonly answer: (dataset: StoredDataset) => Promise<Response> }
  | ParameterFailure;

export function datasetHandler(
  namespace: DatasetNamespace,
  definition: DatasetHandlerDefinition,
): Handler {
  return {
    check(request, context) {
      const plan = planAnswer(definition, new URL(request.url), context);
      return plan.ok ? { ok: true } : plan;
    },
    async run(request, context) {
      const plan = planAnswer(definition, new URL(request.url), context);
      if (plan.ok) return plan.answer(openDataset(namespace, definition.store));
      const { parameter, message } = plan;
      return problem("invalid_parameter", { detail: message, extra: { parameter } });
    },
  };
}

function planAnswer(definition: DatasetHandlerDefinition, url: URL, call: Call): Plan {
  switch (definition.mode) {
    case "list":
      return planList(definition, url);
    case "item":
      return planItem(definition, url, call);
    case "download":
      return planDownload(definition, url);
    default:
      return definition.mode satisfies never;
  }
}

function planList(definition: DatasetHandlerDefinition, url: URL): Plan {
  const { columns } = definition;
  const parsed = parseQuery(url.searchParams, columns, { version: definition.store });
  if (!parsed.ok) return parsed;
  const { query, format, scope } = parsed;
  const answer = async (dataset: StoredDataset): Promise<Response> => {
    const page = await dataset.select(query);
    if (page.result !== "rows") return explainFailure(page);
    const nextCursor = page.nextAfterRow === null ? null : encodeCursor(scope, page.nextAfterRow);
    const rows = rowFormat(format, selectedColumns(columns, query));
    const body = formatRows(rows, page.rows);
    const headers = datasetHeaders(definition, rows.contentType, [query, format]);
    if (nextCursor !== null) headers.set("Link", `<${nextReference(url, nextCursor)}>; rel="next"`);
    if (page.count !== null) headers.set("X-Total-Count", String(page.count));
    return new Response(format === "json" ? listDocument(body, nextCursor, page.count) : body, {
      headers,
    });
  };
  return { ok: true, answer };
}

function planItem(definition: DatasetHandlerDefinition, url: URL, { params }: Call): Plan {
  const { columns, key } = definition;
  const value = params["key"] ?? "";
  const parsed = parseItemQuery(url.searchParams, columns, { column: key ?? "", value });
  if (!parsed.ok) return parsed;
  const { query } = parsed;
  const answer = async (dataset: StoredDataset): Promise<Response> => {
    const page = await dataset.select(query);
    if (page.result !== "rows") return explainFailure(page);
    const [row] = page.rows;
    if (row === undefined) {
      return problem("not_found", { detail: `no row has the ${key} ${JSON.stringify(value)}` });
    }
    const rows = rowFormat("json", selectedColumns(columns, query));
    const headers = datasetHeaders(definition, rows.contentType, [query]);
    return new Response(rows.row(row), { headers });
  };
  return { ok: true, answer };
}

function planDownload(definition: DatasetHandlerDefinition, url: URL): Plan {
  const parsed = parseDownloadQuery(url.searchParams);
  if (!parsed.ok) return parsed;
  return { ok: true, answer: (dataset) => downloadRows(dataset, definition, parsed.format) };
}

/** All rows in upload order, a page in memory at a time. */
export async function downloadRows(
  dataset: StoredDataset,
  definition: DatasetHandlerDefinition,
  format: DatasetFormat,
): Promise<Response> {
  const query = allRows(definition.columns.length, DOWNLOAD_PAGE_ROWS);
  const firstPage = await dataset.select(query);
  if (firstPage.result !== "rows") return explainFailure(firstPage);
  const { contentType } = rowFormat(format, definition.columns);
  const headers = datasetHeaders(definition, contentType, [format]);
  const pages = readPages(dataset, query, firstPage);
  return new Response(streamRows(pages, format, definition.columns), { headers });
}

type Page = Extract<SelectReply, { result: "rows" }>;

/** Bounded by the number of rows: every page but the last has at least one. */
async function* readPages(
  dataset: StoredDataset,
  query: DatasetQuery,
  firstPage: Page,
): AsyncGenerator<Row[]> {
  let page = firstPage;
  yield page.rows;
  while (page.nextAfterRow !== null) {
    const next = await dataset.select({ ...query, afterRow: page.nextAfterRow });
    if (next.result !== "rows") throw new Error(`reading on failed: ${next.result}`);
    page = next;
    yield page.rows;
  }
}

/** Page by page as the reader takes them: who caps the body can stop without all of it having been made. */
function streamRows(
  pages: AsyncGenerator<Row[]>,
  format: DatasetFormat,
  columns: readonly Column[],
): ReadableStream<Uint8Array> {
  const rows = rowFormat(format, columns);
  const encoder = new TextEncoder();
  let lead = rows.open;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const page = await pages.next();
      if (page.done === true) {
        controller.enqueue(encoder.encode(rows.close));
        controller.close();
        return;
      }
      controller.enqueue(encoder.encode(lead + page.value.map(rows.row).join(rows.between)));
      lead = rows.between;
    },
    async cancel() {
      await pages.return(undefined);
    },
  });
}

function listDocument(data: string, nextCursor: string | null, count: number | null): string {
  const countMember = count === null ? "" : `,"count":${count}`;
  return `{"data":${data},"nextCursor":${JSON.stringify(nextCursor)}${countMember}}`;
}

/** A reference relative to the request's own URL, wherever the tenant is mounted. */
function nextReference(url: URL, nextCursor: string): string {
  const parameters = new URLSearchParams(url.search);
  parameters.set("cursor", nextCursor);
  return `?${parameters.toString()}`;
}

/** @param identity with the version and the route's mode, all that the body depends on. */
function datasetHeaders(
  definition: DatasetHandlerDefinition,
  contentType: string,
  identity: readonly unknown[],
): Headers {
  const text = JSON.stringify([definition.store, definition.mode, ...identity]);
  const digest = createHash("sha256").update(text).digest("base64url");
  return new Headers({
    "Content-Type": contentType,
    ETag: `"${digest}"`,
    "X-Dataset-Version": versionOf(definition),
  });
}

function selectedColumns(columns: readonly Column[], { select }: DatasetQuery): Column[] {
  return select.flatMap((position) => columns[position] ?? []);
}

/** The last part of the store's name, `{tenantId}/{dataset}/{version}`. */
function versionOf({ store }: DatasetHandlerDefinition): string {
  return store.slice(store.lastIndexOf("/") + 1);
}

function explainFailure(reply: Exclude<SelectReply, { result: "rows" }>): Response {
  switch (reply.result) {
    case "scan_budget_exceeded":
      return problem("handler_failed", {
        detail: "the query reads too many rows: add a filter on an indexed column, or drop count",
      });
    case "not_found":
      return problem("handler_failed", { detail: "this version of the dataset is not stored" });
    default:
      return reply satisfies never;
  }
}
