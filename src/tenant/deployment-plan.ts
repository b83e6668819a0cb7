/** From a manifest to the routes on sale: everything a deployment is refused for, decided without I/O. */
import type { DatasetDeclaration, Manifest, ManifestRoute } from "../contracts/manifest.ts";
import type { Column, DatasetHandlerDefinition, Route } from "../contracts/snapshot.ts";
import type { ProblemCode } from "../payment/problems/problem.ts";
import { type ConnectionTerms, connectionFaults } from "../runtime/egress/connection-faults.ts";
import { dispatchKey } from "../runtime/script/script-runtime.ts";
import { type PriceTerms, priceFaults, pricesOf } from "./price-options.ts";
import type { TenantId } from "./tenant-id.ts";

/** What a deployment needs to know about the newest upload of a dataset. */
export interface UploadedDataset {
  readonly name: string;
  /** Name of the `DatasetStore` object that holds it. */
  readonly store: string;
  readonly columns: readonly Column[];
  readonly key: string | null;
  readonly indexes: readonly string[];
}

/** The newest upload of a script. */
export interface UploadedScript {
  readonly name: string;
  readonly version: string;
}

/** What a tenant has uploaded, newest versions. */
export interface Uploads {
  readonly datasets: readonly UploadedDataset[];
  readonly scripts: readonly UploadedScript[];
}

/** One thing wrong with a manifest: where, and what to do about it. */
export interface ManifestFault {
  readonly code: Extract<
    ProblemCode,
    "invalid_request" | "dataset_not_uploaded" | "script_not_uploaded" | "price_too_small"
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

export interface DeploymentTerms extends ConnectionTerms, Omit<PriceTerms, "payTo"> {
  /** Name of the environment that code is deployed in. */
  readonly environment: string;
}

/** What all routes of a manifest have in common. */
interface SaleTerms {
  readonly prices: PriceTerms;
  readonly environment: string;
  readonly tenantId: TenantId;
  readonly allowedHosts: readonly string[];
  readonly declarations: Readonly<Record<string, DatasetDeclaration>>;
}

/** Free documents the platform serves below every tenant: a route there could never be reached. */
const PLATFORM_PATHS: ReadonlySet<string> = new Set([
  "/llms.txt",
  "/openapi.json",
  "/sample",
  "/schema",
]);

/**
 * @param uploads what the tenant's routes can be about
 * @param terms where it is deployed
 */
export function planDeployment(
  manifest: Manifest,
  uploads: Uploads,
  terms: DeploymentTerms,
): DeploymentPlan {
  const prices = { network: terms.network, networks: terms.networks, payTo: manifest.payTo };
  const datasets = new Map(uploads.datasets.map((dataset) => [dataset.name, dataset]));
  const scripts = new Map(uploads.scripts.map((script) => [script.name, script]));
  const [fault, ...furtherFaults] = [
    ...Object.entries(manifest.datasets).flatMap(([name, declaration]) =>
      declarationFaults(`datasets.${name}`, declaration, datasets.get(name), name),
    ),
    ...manifest.routes.flatMap((route, index) =>
      routeFaults(`routes[${index}]`, route, datasets, prices),
    ),
    ...manifest.routes.flatMap(({ script }, index) =>
      script === undefined || scripts.has(script)
        ? []
        : [scriptNotUploaded(`routes[${index}].script`, script)],
    ),
    ...connectionFaults(manifest, terms),
    ...duplicateFaults(manifest.routes),
  ];
  if (fault !== undefined) return { result: "refused", faults: [fault, ...furtherFaults] };
  const { x402Versions } = manifest;
  return {
    result: "planned",
    routes: manifest.routes
      .flatMap((route) =>
        expandRoute(route, datasets, scripts, {
          declarations: manifest.datasets,
          prices,
          environment: terms.environment,
          tenantId: manifest.tenant,
          allowedHosts: manifest.egress,
        }),
      )
      .map((route) => (x402Versions.includes(1) ? route : { ...route, x402Versions })),
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
  prices: PriceTerms,
): ManifestFault[] {
  const faults: ManifestFault[] = [];
  if (route.dataset !== undefined && !datasets.has(route.dataset)) {
    faults.push(notUploaded(`${field}.dataset`, route.dataset));
  }
  if (PLATFORM_PATHS.has(route.path)) {
    faults.push({
      code: "invalid_request",
      field: `${field}.path`,
      message: `is taken by a free document of the platform: choose another than ${route.path}`,
    });
  }
  const isReadOnly = route.methods.every((method) => method === "GET" || method === "HEAD");
  if (route.dataset !== undefined && !isReadOnly) {
    faults.push({
      code: "invalid_request",
      field: `${field}.methods`,
      message: "must be GET or HEAD: a dataset is read-only",
    });
  }
  if (route.execution === "alongside") faults.push(...alongsideFaults(`${field}.execution`, route));
  for (const fault of priceFaults(route, prices)) {
    faults.push({ ...fault, field: `${field}.${fault.field}` });
  }
  return faults;
}

/** What runs before its payment is verified must be cheap, and leave no trace when nobody pays. */
function alongsideFaults(field: string, route: ManifestRoute): ManifestFault[] {
  const refuse = (message: string): ManifestFault[] => [
    { code: "invalid_request", field, message },
  ];
  if (route.dataset === undefined) {
    return refuse('must be "after": only a dataset can be read before its payment is verified');
  }
  return route.settlement === "before"
    ? refuse('must be "after" where settlement is "before": the money moves first there')
    : [];
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
function expandRoute(
  route: ManifestRoute,
  datasets: ReadonlyMap<string, UploadedDataset>,
  scripts: ReadonlyMap<string, UploadedScript>,
  { prices, environment, tenantId, allowedHosts, declarations }: SaleTerms,
): Route[] {
  const script = scripts.get(route.script ?? "");
  if (script !== undefined) {
    const { name, version } = script;
    const handler = {
      kind: "script" as const,
      script: name,
      version,
      dispatchKey: dispatchKey({ environment, tenantId, version }),
      allowedHosts: [...allowedHosts],
    };
    return [makeRoute(route, route.path, `Answers of ${script.name}`, handler, prices)];
  }
  if (route.origin !== undefined) {
    const auth = route.originAuth ?? null;
    const handler = { kind: "origin" as const, url: route.origin, auth };
    return [makeRoute(route, route.path, `Answers of ${route.path}`, handler, prices)];
  }
  const dataset = datasets.get(route.dataset ?? "");
  if (dataset === undefined) return [];
  const sample = declarations[dataset.name]?.sample ?? true;
  const sell = (path: string, mode: DatasetHandlerDefinition["mode"]) =>
    makeRoute(route, path, describe(mode, dataset), datasetHandler(dataset, mode, sample), prices);
  return route.mode === "list" && dataset.key !== null
    ? [sell(route.path, "list"), sell(`${route.path}/:key`, "item")]
    : [sell(route.path, route.mode)];
}

function makeRoute(
  route: ManifestRoute,
  path: string,
  description: string,
  handler: Route["handler"],
  prices: PriceTerms,
): Route {
  return {
    path,
    methods: [...new Set(route.methods)],
    ...pricesOf(route, prices),
    description: route.description ?? description,
    mimeType: "application/json",
    settlement: route.settlement,
    execution: route.execution,
    resignGuard: route.resignGuard,
    replayGraceSeconds: route.replayGraceSeconds,
    paymentIdentifier: route.paymentIdentifier,
    signedReceipts: route.signedReceipts,
    ...(route.input === undefined ? {} : { input: route.input }),
    ...(route.output === undefined ? {} : { output: route.output }),
    handler,
  };
}

function datasetHandler(
  dataset: UploadedDataset,
  mode: DatasetHandlerDefinition["mode"],
  sample: boolean,
): DatasetHandlerDefinition {
  return {
    kind: "dataset",
    dataset: dataset.name,
    store: dataset.store,
    mode,
    key: dataset.key,
    columns: [...dataset.columns],
    ...(sample ? {} : { sample }),
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

function scriptNotUploaded(field: string, name: string): ManifestFault {
  return {
    code: "script_not_uploaded",
    field,
    message: `is not uploaded: send it with PUT /v1/scripts/${name} first`,
  };
}

function notUploaded(field: string, name: string): ManifestFault {
  return {
    code: "dataset_not_uploaded",
    field,
    message: `is not uploaded: send it with PUT /v1/datasets/${name} first`,
  };
}
