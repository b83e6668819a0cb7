/** From a manifest to the routes on sale: everything a deployment is refused for, decided without I/O. */
import type { DatasetDeclaration, Manifest } from "../contracts/manifest.ts";
import type { Column, DatasetHandlerDefinition, Route } from "../contracts/snapshot.ts";
import type { ProblemCode } from "../payment/problem.ts";
import { priceToAtomic } from "./price.ts";

/** What a deployment needs to know about the newest upload of a dataset. */
export interface UploadedDataset {
  readonly name: string;
  /** Name of the `DatasetStore` object that holds it. */
  readonly store: string;
  readonly columns: readonly Column[];
  readonly key: string | null;
  readonly indexes: readonly string[];
}

/** One thing wrong with a manifest: where, and what to do about it. */
export interface ManifestFault {
  readonly code: Extract<
    ProblemCode,
    "invalid_request" | "dataset_not_uploaded" | "price_too_small"
  >;
  /** Path within the manifest, for example `routes[0].price`. */
  readonly field: string;
  readonly message: string;
}

export type DeploymentPlan =
  | { readonly result: "planned"; readonly routes: readonly Route[] }
  | {
      readonly result: "refused";
      readonly faults: readonly [ManifestFault, ...ManifestFault[]];
    };

/** Free documents the platform serves below every tenant: a route there could never be reached. */
const PLATFORM_PATHS: ReadonlySet<string> = new Set([
  "/llms.txt",
  "/openapi.json",
  "/sample",
  "/schema",
]);

type ManifestRoute = Manifest["routes"][number];

/**
 * @param uploaded the tenant's datasets, newest versions
 * @param decimals of the asset prices are paid in
 */
export function planDeployment(
  manifest: Manifest,
  uploaded: readonly UploadedDataset[],
  decimals: number,
): DeploymentPlan {
  const datasets = new Map(uploaded.map((dataset) => [dataset.name, dataset]));
  const [fault, ...furtherFaults] = [
    ...Object.entries(manifest.datasets).flatMap(([name, declaration]) =>
      declarationFaults(`datasets.${name}`, declaration, datasets.get(name), name),
    ),
    ...manifest.routes.flatMap((route, index) =>
      routeFaults(`routes[${index}]`, route, datasets, decimals),
    ),
    ...duplicateFaults(manifest.routes),
  ];
  if (fault !== undefined) return { result: "refused", faults: [fault, ...furtherFaults] };
  return {
    result: "planned",
    routes: manifest.routes.flatMap((route) => {
      const dataset = datasets.get(route.dataset);
      return dataset === undefined ? [] : expandRoute(route, dataset, decimals);
    }),
  };
}

/** A declaration describes the upload it was made for: it is checked against it, never silently overruled. */
function declarationFaults(
  field: string,
  declaration: DatasetDeclaration,
  dataset: UploadedDataset | undefined,
  name: string,
): ManifestFault[] {
  if (dataset === undefined) return [notUploaded(field, name)];
  const faults: ManifestFault[] = [];
  const columnTypes = new Map(dataset.columns.map((column) => [column.name, column.type]));
  const refuse = (member: string, message: string) =>
    faults.push({ code: "invalid_request", field: `${field}.${member}`, message });
  const refuseUnknownColumn = (member: string, column: string) =>
    refuse(member, `names no column: ${name} has no ${column}`);

  if (declaration.key !== undefined && !columnTypes.has(declaration.key)) {
    refuseUnknownColumn("key", declaration.key);
  } else if (declaration.key !== undefined && declaration.key !== dataset.key) {
    refuse("key", `differs from the upload: send ${name} again with key=${declaration.key}`);
  }
  for (const [index, column] of declaration.indexes.entries()) {
    if (!columnTypes.has(column)) {
      refuseUnknownColumn(`indexes[${index}]`, column);
    } else if (column !== dataset.key && !dataset.indexes.includes(column)) {
      refuse(
        `indexes[${index}]`,
        `differs from the upload: send ${name} again with index=${column}`,
      );
    }
  }
  for (const [column, type] of Object.entries(declaration.types)) {
    const uploadedType = columnTypes.get(column);
    // A name unknown here is not wrong: an upload also takes the file's own names, before they were published.
    if (uploadedType !== undefined && uploadedType !== type) {
      refuse(
        `types.${column}`,
        `differs from the upload, where it is ${uploadedType}: send ${name} again with type.${column}=${type}`,
      );
    }
  }
  return faults;
}

function routeFaults(
  field: string,
  route: ManifestRoute,
  datasets: ReadonlyMap<string, UploadedDataset>,
  decimals: number,
): ManifestFault[] {
  const faults: ManifestFault[] = [];
  if (!datasets.has(route.dataset)) faults.push(notUploaded(`${field}.dataset`, route.dataset));
  if (PLATFORM_PATHS.has(route.path)) {
    faults.push({
      code: "invalid_request",
      field: `${field}.path`,
      message: `is taken by a free document of the platform: choose another than ${route.path}`,
    });
  }
  if (route.methods.some((method) => method !== "GET" && method !== "HEAD")) {
    faults.push({
      code: "invalid_request",
      field: `${field}.methods`,
      message: "must be GET or HEAD: a dataset is read-only",
    });
  }
  if (priceToAtomic(route.price, decimals) === 0n) {
    faults.push({
      code: "price_too_small",
      field: `${field}.price`,
      message: `is less than one atomic unit: the asset has ${decimals} decimals`,
    });
  }
  return faults;
}

/** One path is one route, whatever its methods: a caller who asks for a URL is quoted one price. */
function duplicateFaults(routes: readonly ManifestRoute[]): ManifestFault[] {
  const firstUse = new Map<string, number>();
  return routes.flatMap(({ path }, index): ManifestFault[] => {
    const taken = firstUse.get(path);
    if (taken === undefined) {
      firstUse.set(path, index);
      return [];
    }
    const message = `is sold already, by routes[${taken}]: choose another`;
    return [{ code: "invalid_request", field: `routes[${index}].path`, message }];
  });
}

/** A list of a dataset with a key also sells its rows one by one, at the same price. */
function expandRoute(route: ManifestRoute, dataset: UploadedDataset, decimals: number): Route[] {
  const declared = makeRoute(route, dataset, decimals, { path: route.path, mode: route.mode });
  if (route.mode !== "list" || dataset.key === null) return [declared];
  const item = makeRoute(route, dataset, decimals, { path: `${route.path}/:key`, mode: "item" });
  return [declared, item];
}

function makeRoute(
  route: ManifestRoute,
  dataset: UploadedDataset,
  decimals: number,
  target: { readonly path: string; readonly mode: DatasetHandlerDefinition["mode"] },
): Route {
  return {
    path: target.path,
    methods: [...new Set(route.methods)],
    priceAtomic: priceToAtomic(route.price, decimals).toString(),
    description: route.description ?? describe(target.mode, dataset),
    mimeType: "application/json",
    settlement: "after",
    resignGuard: route.resignGuard,
    replayGraceSeconds: route.replayGraceSeconds,
    handler: {
      kind: "dataset",
      dataset: dataset.name,
      store: dataset.store,
      mode: target.mode,
      key: dataset.key,
      columns: [...dataset.columns],
    },
  };
}

function describe(mode: DatasetHandlerDefinition["mode"], dataset: UploadedDataset): string {
  switch (mode) {
    case "list":
      return `Rows of ${dataset.name}`;
    case "item":
      return `One row of ${dataset.name} by ${dataset.key}`;
    case "download":
      return `All of ${dataset.name}`;
    default:
      return mode satisfies never;
  }
}

function notUploaded(field: string, name: string): ManifestFault {
  return {
    code: "dataset_not_uploaded",
    field,
    message: `is not uploaded: send it with PUT /v1/datasets/${name} first`,
  };
}
