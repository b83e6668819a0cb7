/** `claw.json`: what a tenant declares and `POST /v1/deployments` accepts (docs/architecture.md). */
import * as z from "zod";
import { ROUTE_SCHEMAS_BYTES_MAX, routeSchemaSchema, schemaBytes } from "./route-schemas.ts";
import { scriptNameSchema } from "./script.ts";
import { secretNameSchema } from "./secrets.ts";
import { columnTypeSchema, httpMethodSchema, x402VersionSchema } from "./snapshot.ts";
import { fromBase58 } from "../payment/base58.ts";
import { isAllowedHostEntry } from "../runtime/egress/policy.ts";
import { CEILINGS } from "../tenant/limits.ts";
import { tenantIdSchema } from "../tenant/tenant-id.ts";

/** More routes than this in one deployment would make the edge's snapshot too large to copy around. */
const ROUTES_MAX = 200;

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

/**
 * Ways to pay for one route. Each costs about 900 characters of the PAYMENT-REQUIRED header, of which there are 8,192
 * (`payment/extensions/advertise.ts`).
 */
export const PRICES_MAX = 6;

/** One way to pay. What is left out is as for a plain price: the tenant's network, and its first token. */
const priceOptionSchema = z.strictObject({
  price: priceSchema,
  /** CAIP-2. */
  network: z.string().max(64).optional(),
  /** Address of the token. */
  asset: z.string().max(64).optional(),
  /** `upto`: the price is the most that is charged, and the handler says how much is. */
  scheme: z.enum(["exact", "upto"]).default("exact"),
  /** How the token moves on an EVM network; `upto` has only `permit2`. */
  transferMethod: z.enum(["eip3009", "permit2"]).optional(),
});
export type PriceOption = z.infer<typeof priceOptionSchema>;

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

/** Headers that say something else than who asks: a secret there would break the call, or be somebody else's word. */
const NO_AUTH_HEADERS =
  /^(?:accept|accept-.*|cf-.*|claw-.*|connection|content-.*|cookie|expect|forwarded|host|idempotency-key|keep-alive|payment-.*|proxy-.*|te|trailer|transfer-encoding|upgrade|user-agent|x-forwarded-.*|x-payment.*)$/i;

/** How the origin knows the platform: a header whose whole value is a secret of the tenant's. */
const originAuthSchema = z.strictObject({
  header: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, "must be the name of a header, such as Authorization")
    .refine((name) => !NO_AUTH_HEADERS.test(name), "can't carry a secret: choose another header"),
  secret: secretNameSchema,
});

/** One thing for sale. Exactly one of `dataset`, `script` and `origin` says what answers. */
export const manifestRouteSchema = z
  .strictObject({
    path: routePathSchema,
    price: priceSchema.optional(),
    /** Instead of `price`: several ways to pay, in order of preference. */
    prices: z.array(priceOptionSchema).min(1).max(PRICES_MAX).optional(),
    description: z.string().max(400).optional(),
    methods: z.array(httpMethodSchema).min(1).default(["GET"]),
    /** Whether the money moves after the handler answered, or before it runs: streams need `before`. */
    settlement: z.enum(["after", "before"]).default("after"),
    /** When a dataset's handler runs: `after` the payment is verified, or `alongside`, which is faster. */
    execution: z.enum(["after", "alongside"]).default("after"),
    resignGuard: z.boolean().default(true),
    replayGraceSeconds: z.number().int().min(0).max(86_400).default(600),
    /** Whether a payment has to bring an id of its client's own: x402 v1, which has none, is not offered then. */
    paymentIdentifier: z.enum(["optional", "required"]).default("optional"),
    /** Whether offers and receipts are signed for third parties. */
    signedReceipts: z.boolean().default(false),
    dataset: datasetNameSchema.optional(),
    /** Of a dataset route: pages of rows, or all of it. */
    mode: z.enum(["list", "download"]).default("list"),
    /** Path of the entry module beside the manifest, which is also the name it is uploaded under. */
    script: scriptNameSchema.optional(),
    origin: originSchema.optional(),
    originAuth: originAuthSchema.optional(),
    /** What a script or origin takes: a JSON Schema of the query's parameters, or of the body where there is one. */
    input: routeSchemaSchema.optional(),
    /** What it answers: a JSON Schema. */
    output: routeSchemaSchema.optional(),
  })
  .refine(
    ({ dataset, script, origin }) =>
      [dataset, script, origin].filter((handler) => handler !== undefined).length === 1,
    { path: ["dataset"], message: "or script or origin must be given, and only one of them" },
  )
  .refine(({ price, prices }) => (price === undefined) !== (prices === undefined), {
    path: ["price"],
    message: "or prices must be given, and only one of them",
  })
  .refine(({ origin, originAuth }) => originAuth === undefined || origin !== undefined, {
    path: ["originAuth"],
    message: "needs an origin to go with",
  })
  .refine(
    ({ dataset, input, output }) => dataset === undefined || (input ?? output) === undefined,
    {
      path: ["dataset"],
      message: "has its input and output described by its columns: leave both out",
    },
  );
export type ManifestRoute = z.infer<typeof manifestRouteSchema>;

export const datasetDeclarationSchema = z.strictObject({
  /** Path of the file beside the manifest; used by the CLI, kept here so that one file describes everything. */
  file: z.string().min(1),
  key: z.string().min(1).optional(),
  indexes: z.array(z.string().min(1)).max(16).default([]),
  types: z.record(z.string(), columnTypeSchema).default({}),
  /** Whether anyone may see a few rows without paying, at `/sample`. */
  sample: z.boolean().default(true),
});
export type DatasetDeclaration = z.infer<typeof datasetDeclarationSchema>;

const egressHostSchema = z
  .string()
  .max(260)
  .refine(
    isAllowedHostEntry,
    "must be a public host such as api.example.com or *.example.com, in lower case, IDN as xn--…",
  );

/** Of a wallet, not of a token account. */
const solanaAddressSchema = z
  .string()
  .max(44)
  .refine(
    (text) => fromBase58(text, 32) !== null,
    "must be an address on Solana: 32 bytes in base58",
  );

function bytesOfSchemas(routes: readonly ManifestRoute[]): number {
  return routes.reduce(
    (bytes, { input, output }) => bytes + schemaBytes(input) + schemaBytes(output),
    0,
  );
}

export const manifestSchema = z.strictObject({
  tenant: tenantIdSchema,
  datasets: z.record(datasetNameSchema, datasetDeclarationSchema).default({}),
  routes: z
    .array(manifestRouteSchema)
    .min(1)
    .max(ROUTES_MAX)
    .refine(
      (routes) => bytesOfSchemas(routes) <= ROUTE_SCHEMAS_BYTES_MAX,
      `have more than ${ROUTE_SCHEMAS_BYTES_MAX} bytes of input and output in all`,
    ),
  /** Addresses of the tenant's own, for networks on which the platform has no accounts (docs/payments.md). */
  payTo: z.strictObject({ solana: solanaAddressSchema }).partial().optional(),
  /** Which versions of x402 payments are taken by: `[2]` turns `X-PAYMENT` away (docs/http.md). */
  x402Versions: z
    .array(x402VersionSchema)
    .max(2)
    .refine((versions) => versions.includes(2), "must have 2 in it: only 1 can be left out")
    .default([1, 2]),
  /** Hosts that scripts may connect to (docs/egress.md); origins need no entry. */
  egress: z.array(egressHostSchema).max(CEILINGS.egressHostsMax).default([]),
});
export type Manifest = z.infer<typeof manifestSchema>;
