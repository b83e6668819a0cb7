import { env } from "cloudflare:workers";
import { storeDataset, type StoreOptions } from "../../durable-objects/dataset-store/client.ts";
import type { ColumnType, DatasetHandlerDefinition, Route } from "../../src/contracts/snapshot.ts";
import type { DatasetFormat } from "../../src/dataset/dataset-format.ts";
import { parseDataset, type ParsedDataset } from "../../src/dataset/parse-dataset.ts";
import { datasetHandler } from "../../src/runtime/dataset.ts";
import type { HandlerContext } from "../../src/runtime/handler.ts";
import { RunMeter } from "../../src/runtime/run-meter.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";

/** A name nothing else uses: objects live as long as the test file. */
export function freshStoreName(): string {
  return `acme/cities/${crypto.randomUUID()}`;
}

export function parseText(
  text: string,
  format: DatasetFormat = "csv",
  types: Record<string, ColumnType> = {},
): ParsedDataset {
  const result = parseDataset(new TextEncoder().encode(text), format, { types });
  if (!result.ok) throw new Error(result.error.message);
  return result.dataset;
}

export interface Shop {
  readonly store: string;
  readonly definition: DatasetHandlerDefinition;
  /** Asks for `/cities` + the search, as a paid request arrives at the handler. */
  get(search?: string): Promise<Response>;
}

/** A stored dataset with a handler that sells it. */
export async function openShop(
  dataset: ParsedDataset,
  options: StoreOptions = {},
  mode: DatasetHandlerDefinition["mode"] = "list",
): Promise<Shop> {
  const store = freshStoreName();
  const stored = await storeDataset(env.DATASET_STORE, store, dataset, options);
  if (!stored.ok) throw new Error(stored.error.message);
  const definition: DatasetHandlerDefinition = {
    kind: "dataset",
    dataset: "cities",
    store,
    mode,
    key: options.key ?? null,
    columns: [...dataset.columns],
  };
  const handler = datasetHandler(env.DATASET_STORE, definition);
  return {
    store,
    definition,
    get: (search = "") =>
      handler.run(new Request(`https://acme/cities${search}`), callContext(definition)),
  };
}

/** The context of a call of a route with this definition. */
export function callContext(
  handler: DatasetHandlerDefinition,
  params: Record<string, string> = {},
): HandlerContext {
  const tenantId = parseTenantId("acme");
  if (tenantId === null) throw new Error("acme is a tenant id");
  const route: Route = {
    path: "/cities",
    methods: ["GET"],
    priceAtomic: "1000",
    description: "",
    mimeType: "application/json",
    settlement: "after",
    resignGuard: true,
    execution: "after",
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
    handler,
  };
  return {
    tenantId,
    limits: PLANS.free.limits,
    meter: new RunMeter(0),
    route,
    params,
    paymentId: "pay_acme_1",
    payer: `0x${"11".repeat(20)}`,
    idempotencyKey: "pay_acme_1",
    secrets: {},
  };
}
