/** The operators' webhooks, and how often they are tried: the variables ALERT_WEBHOOKS and ALERT_RETRY. */
import * as z from "zod";
import {
  ConfigError,
  configIdSchema,
  expectUniqueIds,
  parseJson,
  secretNameSchema,
  serviceUrlSchema,
} from "../config-source.ts";
import { type AlertRetry, DEFAULT_ALERT_RETRY } from "./retry-delay.ts";

/** Every alert is sent to each. */
const ENDPOINTS_MAX = 8;
/** A queue holds a message back for a day at most. */
const RETRY_SECONDS_MAX = 86_400;

const endpointSchema = z.strictObject({
  id: configIdSchema,
  url: serviceUrlSchema,
  /** Name of the Worker secret that signs. */
  secret: secretNameSchema,
});

const retrySchema = z.strictObject({
  firstSeconds: z.number().int().min(1).max(RETRY_SECONDS_MAX),
  maxSeconds: z.number().int().min(1).max(RETRY_SECONDS_MAX),
});

/** One webhook, with the signing secret itself in place of its name. */
export type AlertEndpoint = Readonly<z.infer<typeof endpointSchema>>;

export interface AlertConfig {
  /** None: alerts are listed at `/admin/alerts` only. */
  readonly endpoints: readonly AlertEndpoint[];
  readonly retry: AlertRetry;
}

export interface AlertConfigSource {
  /** JSON: `[{id, url, secret}]`. */
  readonly ALERT_WEBHOOKS?: string;
  /** JSON: `{firstSeconds, maxSeconds}`. */
  readonly ALERT_RETRY?: string;
}

/** @throws ConfigError naming the key that is wrong, never the secret. */
export function parseAlertConfig(source: AlertConfigSource): AlertConfig {
  const schema = z.array(endpointSchema).max(ENDPOINTS_MAX);
  const endpoints = parseJson("ALERT_WEBHOOKS", source.ALERT_WEBHOOKS ?? "[]", schema);
  expectUniqueIds("ALERT_WEBHOOKS", endpoints);
  return {
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, secret: secretOf(endpoint, source) })),
    retry:
      source.ALERT_RETRY === undefined
        ? DEFAULT_ALERT_RETRY
        : parseJson("ALERT_RETRY", source.ALERT_RETRY, retrySchema),
  };
}

function secretOf({ id, secret: name }: AlertEndpoint, source: AlertConfigSource): string {
  const secret: unknown = Reflect.get(source, name);
  if (typeof secret === "string" && isSigningSecret(secret)) return secret;
  throw new ConfigError(
    "ALERT_WEBHOOKS",
    `${id} needs the secret ${name}: whsec_ and 24 to 64 bytes in base64`,
  );
}

/** As Standard Webhooks asks for. */
function isSigningSecret(secret: string): boolean {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  if (encoded === undefined || encoded.length % 4 !== 0) return false;
  const bytes = atob(encoded).length;
  return bytes >= 24 && bytes <= 64;
}
