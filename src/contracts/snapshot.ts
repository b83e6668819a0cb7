/**
 * The published snapshot of a tenant: all that the data plane needs to know about it, written by the control plane
 * to KV at every change and cached at the edge. D1 stays the source of truth.
 */
import * as z from "zod";
import { limitOverrideSchema } from "../tenant/limits.ts";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { jsonObjectSchema } from "./route-schemas.ts";
import { sealedSecretSchema } from "./secrets.ts";
import { scriptNameSchema, scriptVersionSchema } from "./script.ts";

export const planIdSchema = z.enum(["free", "pro", "scale"]);
export type PlanId = z.infer<typeof planIdSchema>;

export const collectionSchema = z.enum(["treasury", "direct"]);
export type Collection = z.infer<typeof collectionSchema>;

/** Columns and types of a dataset version, as inferred or declared at upload. */
export const columnTypeSchema = z.enum([
  "integer",
  "number",
  "boolean",
  "date",
  "datetime",
  "string",
  "json",
]);
export type ColumnType = z.infer<typeof columnTypeSchema>;

export const columnSchema = z.object({
  name: z.string(),
  type: columnTypeSchema,
  nullable: z.boolean(),
});
export type Column = z.infer<typeof columnSchema>;

export const datasetHandlerSchema = z.object({
  kind: z.literal("dataset"),
  dataset: z.string(),
  /** Name of the `DatasetStore` object that holds exactly this version. */
  store: z.string(),
  /** `list` answers the query grammar, `item` one row by key, `download` the whole dataset. */
  mode: z.enum(["list", "item", "download"]),
  key: z.string().nullable(),
  columns: z.array(columnSchema),
  /** False where nobody may see a few rows without paying. */
  sample: z.boolean().optional(),
});

export const originHandlerSchema = z.object({
  kind: z.literal("origin"),
  /** Called with the caller's query added. */
  url: z.string(),
  /** The header that carries a secret of the tenant's, by its name; the value is in the snapshot's `secrets`. */
  auth: z.object({ header: z.string(), secret: z.string() }).nullable().default(null),
});

export const scriptHandlerSchema = z.object({
  kind: z.literal("script"),
  script: scriptNameSchema,
  /** Exactly this code, whatever is uploaded under the name afterwards. */
  version: scriptVersionSchema,
  /** Under which it was deployed; checked again before it is dispatched. */
  dispatchKey: z.string(),
  /** Hosts it may connect to. */
  allowedHosts: z.array(z.string()).default([]),
});

export const handlerSchema = z.discriminatedUnion("kind", [
  datasetHandlerSchema,
  scriptHandlerSchema,
  originHandlerSchema,
]);
export type OriginHandlerDefinition = z.infer<typeof originHandlerSchema>;
export type ScriptHandlerDefinition = z.infer<typeof scriptHandlerSchema>;
export type DatasetHandlerDefinition = z.infer<typeof datasetHandlerSchema>;

export const httpMethodSchema = z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** One way to pay for a route. */
export const paymentOptionSchema = z.object({
  /** x402's name of the scheme. */
  scheme: z.enum(["exact", "upto"]),
  /** `extra.assetTransferMethod`; null for the one that is meant without a name. */
  transferMethod: z.string().nullable(),
  /** CAIP-2. */
  network: z.string(),
  /** Address of the token, as the configuration spells it. */
  asset: z.string(),
  /** Price of one call, decimal text. */
  amountAtomic: z.string(),
  /** Null when the tenant's account receives it. */
  payTo: z.string().nullable(),
});
export type PaymentOption = z.infer<typeof paymentOptionSchema>;

export const x402VersionSchema = z.union([z.literal(1), z.literal(2)]);

export const routeSchema = z.object({
  /** Canonical path below the tenant, for example `/cities` or `/cities/:key`; `:name` matches one segment. */
  path: z.string(),
  methods: z.array(httpMethodSchema),
  /** Price of one call in atomic units of the first token it is sold for, decimal text. */
  priceAtomic: z.string(),
  /** The ways to pay, in the tenant's order; left out where it is the first token of the tenant's network alone. */
  options: z.array(paymentOptionSchema).min(1).optional(),
  description: z.string(),
  mimeType: z.string(),
  /** When the money moves: `after` the handler answered (x402 flow `authorization`), or `before` (`upfront`). */
  settlement: z.enum(["after", "before"]),
  /** When the handler runs: `after` the payment is verified, or `alongside`, with its answer kept back meanwhile. */
  execution: z.enum(["after", "alongside"]).default("after"),
  /** Whether a second authorization for the same request is answered from the first (design: re-sign guard). */
  resignGuard: z.boolean(),
  /** How long after settlement a replay without proof of payment ownership is served, in seconds. */
  replayGraceSeconds: z.number().int().min(0),
  /** Whether a payment has to bring an id of its client's own (docs/extensions.md). */
  paymentIdentifier: z.enum(["optional", "required"]).default("optional"),
  /** Which versions of x402 it is sold by; left out where that is both. */
  x402Versions: z.array(x402VersionSchema).optional(),
  /** Whether offers and receipts are signed for third parties. */
  signedReceipts: z.boolean().default(false),
  /** What a script or an origin takes, as its tenant says: a JSON Schema of the query or the body. */
  input: jsonObjectSchema.optional(),
  /** What it answers, as its tenant says: a JSON Schema. */
  output: jsonObjectSchema.optional(),
  handler: handlerSchema,
});
export type Route = z.infer<typeof routeSchema>;

export const tenantSnapshotSchema = z.object({
  tenantId: tenantIdSchema,
  /** Immutable number of the tenant in its environment; deposit accounts derive from it. */
  serial: z.number().int().positive(),
  plan: planIdSchema,
  /** Whether payments arrive in a deposit account of the platform's, or in the tenant's own wallet. */
  collection: collectionSchema.default("treasury"),
  /** Address that receives payments: unique per tenant over the whole platform. Lower-case hex. */
  payTo: z.string(),
  /** CAIP-2 network the tenant sells on. */
  network: z.string(),
  /** Version of the active deployment; 0 before the first one. */
  version: z.number().int().min(0),
  deploymentId: z.string().nullable(),
  /** What was on sale until this version was; left out where nothing was. */
  replaced: z
    .object({ version: z.number().int().positive(), atMs: z.number().int().positive() })
    .optional(),
  routes: z.array(routeSchema),
  /** Secrets that the routes name, encrypted. */
  secrets: z.record(z.string(), sealedSecretSchema).default({}),
  /** Approved and not revoked; each edge sees for itself when one expires. */
  limitOverrides: z.array(limitOverrideSchema).default([]),
  /** Set where the tenant is gone: nothing is sold, and payments made before still get their answers. */
  deletedAtMs: z.number().int().optional(),
});
export type TenantSnapshot = z.infer<typeof tenantSnapshotSchema>;
