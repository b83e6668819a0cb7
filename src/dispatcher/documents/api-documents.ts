/**
 * The free documents below every tenant: `/openapi.json`, `/schema` and `/sample` (docs/api-documents.md). They cost
 * nobody anything, so each is bounded and cached, and only the sample touches an object.
 */
import { createHash } from "node:crypto";
import type { NetworkConfig } from "../../config.ts";
import type { DatasetHandlerDefinition, Route, TenantSnapshot } from "../../contracts/snapshot.ts";
import { SAMPLE_DATASETS_MAX } from "../../dataset/limits.ts";
import { OPERATORS } from "../../dataset/predicate.ts";
import { offersOf, requirementsV2 } from "../../payment/offer.ts";
import { problem } from "../../payment/problems/problem.ts";
import type { JsonObject } from "../../payment/wire.ts";
import { atomicToPrice } from "../../tenant/price.ts";
import { datasetSample } from "./dataset-sample.ts";
import { type RoutePrice, openApiDocument } from "./openapi.ts";

/** A new deployment shows after a minute, as it does at other edges. */
const CACHE_CONTROL = "public, max-age=60";

export interface ApiDocumentRequest {
  readonly env: Pick<Env, "DATASET_STORE">;
  readonly request: Request;
  readonly snapshot: TenantSnapshot;
  /** All that prices may be in. */
  readonly networks: readonly NetworkConfig[];
  readonly url: URL;
  /** Canonical path below the tenant. */
  readonly path: string;
}

type DatasetRoute = Route & { readonly handler: DatasetHandlerDefinition };

/** Null when the path is none of the documents'. */
export async function apiDocument(asked: ApiDocumentRequest): Promise<Response | null> {
  const make = DOCUMENTS[asked.path];
  if (make === undefined) return null;
  const { method, headers } = asked.request;
  if (method !== "GET" && method !== "HEAD") {
    return problem("method_not_allowed", { headers: { Allow: "GET, HEAD" } });
  }
  const body = JSON.stringify(await make(asked));
  const etag = `"${createHash("sha256").update(body).digest("base64url")}"`;
  const common = { "Cache-Control": CACHE_CONTROL, ETag: etag };
  if (names(headers.get("If-None-Match"), etag)) {
    return new Response(null, { status: 304, headers: common });
  }
  return new Response(body, { headers: { ...common, "Content-Type": "application/json" } });
}

const DOCUMENTS: Readonly<
  Record<string, (asked: ApiDocumentRequest) => JsonObject | Promise<JsonObject>>
> = {
  "/openapi.json": (asked) =>
    openApiDocument({
      snapshot: asked.snapshot,
      baseUrl: apiUrl(asked.url, asked.path),
      priceOf: (route) => priceOf(route, asked),
    }),
  "/schema": schemaDocument,
  "/sample": sampleDocument,
};

/**
 * A tenant's base URL, as the request reached it: `/t/{tenant}` or a host of its own.
 *
 * @param path of the request below the tenant
 * @returns without a slash at its end
 */
export function apiUrl(url: URL, path: string): string {
  return `${url.origin}${url.pathname.slice(0, url.pathname.length - path.length)}`;
}

/** RFC 9110 section 13.1.2: weak comparison, as proxies weaken tags. */
function names(ifNoneMatch: string | null, etag: string): boolean {
  const tags = (ifNoneMatch ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.some((tag) => tag === etag || tag === "*");
}

function priceOf(
  route: Route,
  { snapshot, networks }: Pick<ApiDocumentRequest, "snapshot" | "networks">,
): RoutePrice {
  const offers = offersOf(snapshot, route, networks);
  const [{ amountAtomic, asset }] = offers;
  return {
    dollars: atomicToPrice(amountAtomic, asset.decimals).slice("$".length),
    isCeiling: offers.some(({ scheme }) => scheme.name === "upto"),
    accepts: offers.map(requirementsV2),
  };
}

/** Columns of each dataset, and where it is sold. */
function schemaDocument(asked: ApiDocumentRequest): JsonObject {
  const datasets = [...datasetRoutes(asked.snapshot)].map(([name, routes]) => {
    const [{ handler }] = routes;
    const described = {
      version: versionOf(handler),
      key: handler.key,
      columns: handler.columns.map(({ name: column, type, nullable }) => ({
        name: column,
        type,
        nullable,
        operators: [...OPERATORS[type]],
      })),
      routes: routes.map((route) => ({
        path: route.path,
        mode: route.handler.mode,
        price: `$${priceOf(route, asked).dollars}`,
      })),
    };
    return [name, described] as const;
  });
  return { tenant: asked.snapshot.tenantId, datasets: Object.fromEntries(datasets) };
}

/** A few rows of each dataset whose tenant shows them. */
async function sampleDocument({ env, snapshot }: ApiDocumentRequest): Promise<JsonObject> {
  const shown = [...datasetRoutes(snapshot)].filter(
    ([, [{ handler }]]) => handler.sample !== false,
  );
  const datasets: JsonObject = {};
  // One after the other: five rows can be of megabytes, and are cut down before the next are read.
  for (const [name, [{ handler }]] of shown.slice(0, SAMPLE_DATASETS_MAX)) {
    datasets[name] = {
      version: versionOf(handler),
      rows: [...(await datasetSample(env, handler))],
    };
  }
  return { tenant: snapshot.tenantId, datasets };
}

/** Routes by the dataset they sell, in the order of the manifest. */
function datasetRoutes(
  snapshot: TenantSnapshot,
): ReadonlyMap<string, readonly [DatasetRoute, ...DatasetRoute[]]> {
  const byName = new Map<string, [DatasetRoute, ...DatasetRoute[]]>();
  for (const { handler, ...route } of snapshot.routes) {
    if (handler.kind !== "dataset") continue;
    const known = byName.get(handler.dataset);
    if (known === undefined) byName.set(handler.dataset, [{ ...route, handler }]);
    else known.push({ ...route, handler });
  }
  return byName;
}

/** The last part of the store's name, `{tenantId}/{dataset}/{version}`. */
function versionOf({ store }: DatasetHandlerDefinition): string {
  return store.slice(store.lastIndexOf("/") + 1);
}
