/** `claw.json`: what a tenant declares and `POST /v1/deployments` accepts (docs/architecture.md). */
import * as z from "zod";
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

/** Where an existing API answers: https, or plain http on 127.0.0.1, which only the local environment deploys. */
const originSchema = z
  .url({ protocol: /^https?$/ })
  .max(2_000)
  .refine((text) => {
    const url = new URL(text);
    const isLoopback = url.protocol === "http:" && url.hostname === "127.0.0.1";
    return url.protocol === "https:" || isLoopback;
  }, "must be an https URL")
  .refine((text) => {
    const url = new URL(text);
    return url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  }, "must have no credentials, query or fragment: the caller's query is added");

/** One thing for sale. Exactly one of `dataset` and `origin` says what answers. */
export const manifestRouteSchema = z
  .strictObject({
    path: routePathSchema,
    price: priceSchema,
    description: z.string().max(400).optional(),
    methods: z.array(httpMethodSchema).min(1).default(["GET"]),
    /** Whether the money moves after the handler answered, or before it runs: streams need `before`. */
    settlement: z.enum(["after", "before"]).default("after"),
    resignGuard: z.boolean().default(true),
    replayGraceSeconds: z.number().int().min(0).max(86_400).default(600),
    dataset: datasetNameSchema.optional(),
    /** Of a dataset route: pages of rows, or all of it. */
    mode: z.enum(["list", "download"]).default("list"),
    origin: originSchema.optional(),
  })
  .refine(({ dataset, origin }) => (dataset === undefined) !== (origin === undefined), {
    path: ["dataset"],
    message: "or origin must be given, and only one of them",
  });
export type ManifestRoute = z.infer<typeof manifestRouteSchema>;

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
  routes: z.array(manifestRouteSchema).min(1).max(ROUTES_MAX),
});
export type Manifest = z.infer<typeof manifestSchema>;
