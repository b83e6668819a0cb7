/** `claw.json`: what a tenant declares and `POST /v1/deployments` accepts (docs/architecture.md). */
import { z } from "zod";
import { columnTypeSchema, httpMethodSchema } from "./snapshot.ts";
import { tenantIdSchema } from "../tenant/tenant-id.ts";

/** More routes than this in one deployment would make the edge's snapshot too large to copy around. */
export const ROUTES_MAX = 200;

export const datasetNameSchema = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$/,
    "must be 1 to 64 characters of a-z, 0-9, _ and -",
  );

/** A price in US dollars with at most six decimals, for example `$0.001`. */
export const priceSchema = z
  .string()
  .regex(
    /^\$(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,6})?$/,
    "must look like $0.01, with at most six decimals",
  );

/** Lower-case literal segments; parameters (`/cities/:key`) are added by the platform, not declared. */
export const routePathSchema = z
  .string()
  .max(200)
  .regex(
    /^(?:\/[a-z0-9](?:[a-z0-9._~-]*[a-z0-9])?)+$/,
    "must start with / and have segments of a-z, 0-9, . _ ~ and -",
  );

const routeCommon = {
  path: routePathSchema,
  price: priceSchema,
  description: z.string().max(400).optional(),
  resignGuard: z.boolean().default(true),
  replayGraceSeconds: z.number().int().min(0).max(86_400).default(600),
};

export const datasetRouteSchema = z.strictObject({
  ...routeCommon,
  dataset: datasetNameSchema,
  mode: z.enum(["list", "download"]).default("list"),
  methods: z.array(httpMethodSchema).min(1).default(["GET"]),
});

export const datasetDeclarationSchema = z.strictObject({
  /** Path of the file beside the manifest; used by the CLI, kept here so that one file describes everything. */
  file: z.string().min(1),
  key: z.string().min(1).optional(),
  indexes: z.array(z.string().min(1)).max(16).default([]),
  types: z.record(z.string(), columnTypeSchema).default({}),
});
export type DatasetDeclaration = z.infer<typeof datasetDeclarationSchema>;

export const manifestSchema = z.strictObject({
  tenant: tenantIdSchema,
  datasets: z.record(datasetNameSchema, datasetDeclarationSchema).default({}),
  routes: z.array(datasetRouteSchema).min(1).max(ROUTES_MAX),
});
export type Manifest = z.infer<typeof manifestSchema>;
