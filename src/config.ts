/**
 * The Worker's configuration, parsed once per isolate from its variables. Anything wrong is one error that names
 * the key, at the first request and, for the embedded platform, before it says `ready`.
 */
import * as z from "zod";
import {
  type AlertConfig,
  type AlertConfigSource,
  parseAlertConfig,
} from "./alerts/alert-config.ts";
import {
  ConfigError,
  configIdSchema,
  expectUniqueIds,
  parseJson,
  parseText,
  serviceUrlSchema,
} from "./config-source.ts";
import { addressSchema } from "./contracts/tenant-api.ts";
import { type CanaryConfig, parseCanary } from "./facilitator/canary-config.ts";
import { type FacilitatorAuth, authSchema, resolveAuth } from "./facilitator/auth-config.ts";
import { platformKeysOf } from "./tenant/secrets/platform-keys.ts";
import { type TenantId, tenantIdSchema } from "./tenant/tenant-id.ts";

const timeoutsSchema = z.strictObject({
  verifyMs: z.number().int().min(100).max(30_000).default(5_000),
  settleMs: z.number().int().min(100).max(120_000).default(20_000),
  supportedMs: z.number().int().min(100).max(30_000).default(5_000),
});

/** Each costs every health check, and the last ones of a longer list would hardly ever be asked. */
export const FACILITATORS_MAX = 8;

const PREFERRING_TENANTS_MAX = 64;

const caip2Schema = z
  .string()
  .regex(/^eip155:[1-9][0-9]{0,9}$/, "must be a CAIP-2 EVM network such as eip155:84532");

const facilitatorSchema = z.strictObject({
  id: configIdSchema,
  url: serviceUrlSchema.refine(
    (text) => isPlain(new URL(text)),
    "must end with its path, without credentials: auth has those",
  ),
  auth: authSchema.default({ type: "none" }),
  /** Networks it may be used for; all that it lists when left out. */
  networks: z.array(caip2Schema).min(1).optional(),
  timeouts: timeoutsSchema.default(timeoutsSchema.parse({})),
  /** Tenants for whom it goes before those they do not prefer. A Worker's variable holds 5 KB, so these are few. */
  preferredBy: z.array(tenantIdSchema).max(PREFERRING_TENANTS_MAX).default([]),
  /** Whether the next facilitator is asked too when this one takes longer to verify than it does 95 times in 100. */
  hedgeVerify: z.boolean().default(false),
});

export interface FacilitatorConfig extends Omit<
  z.infer<typeof facilitatorSchema>,
  "auth" | "preferredBy" | "hedgeVerify"
> {
  readonly preferredBy?: readonly TenantId[];
  readonly hedgeVerify?: boolean;
  readonly auth: FacilitatorAuth;
}

const networkSchema = z.strictObject({
  caip2: caip2Schema,
  /** Without it settlements are never confirmed and nothing can be paid out: chain evidence is missing. */
  rpcUrl: serviceUrlSchema.optional(),
  asset: z
    .strictObject({
      address: addressSchema,
      /** EIP-712 domain of the token: a wrong name makes every signature invalid (x402 #837). */
      name: z.string().min(1),
      version: z.string().min(1),
      decimals: z.number().int().min(0).max(18),
    })
    .optional(),
  /** Blocks on top of a settlement before it counts as confirmed. */
  confirmations: z.number().int().min(0).max(1_000).default(3),
});

/** USDC where x402 clients pay by default; other networks name their asset in the configuration. */
const DEFAULT_ASSETS: Readonly<Record<string, NetworkConfig["asset"]>> = {
  "eip155:8453": {
    address: "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913",
    name: "USD Coin",
    version: "2",
    decimals: 6,
  },
  "eip155:84532": {
    address: "0x036cbd53842c5426634e7929541ec2318f3dcf7e",
    name: "USDC",
    version: "2",
    decimals: 6,
  },
};

export interface NetworkConfig {
  readonly caip2: string;
  readonly rpcUrl: string | null;
  readonly asset: {
    readonly address: string;
    readonly name: string;
    readonly version: string;
    readonly decimals: number;
  };
  readonly confirmations: number;
}

export interface PlatformConfig {
  readonly environment: string;
  readonly baseDomain: string;
  /** In order of preference, at least one. */
  readonly facilitators: readonly FacilitatorConfig[];
  /** At least one; the first is where new tenants sell. */
  readonly networks: readonly NetworkConfig[];
  readonly operatorToken: string;
  readonly quoteSecret: string;
  readonly alerts: AlertConfig;
  /** Null when none pays. */
  readonly canary: CanaryConfig | null;
}

/** The variables the configuration is read from; `Env` has them. */
export interface ConfigSource extends AlertConfigSource {
  readonly ENVIRONMENT: string;
  readonly BASE_DOMAIN: string;
  readonly FACILITATORS: string;
  readonly NETWORKS: string;
  readonly OPERATOR_TOKEN: string;
  readonly QUOTE_SECRET: string;
  /** Needed once a tenant keeps a secret; checked at once when it is there. */
  readonly PLATFORM_KEYS?: string;
  /** No canary when left out. */
  readonly CANARY?: string;
}

/** @throws ConfigError naming the first key that is wrong. */
export function parseConfig(source: ConfigSource): PlatformConfig {
  const facilitators = parseJson(
    "FACILITATORS",
    source.FACILITATORS,
    z.array(facilitatorSchema).min(1).max(FACILITATORS_MAX),
  ).map((facilitator): FacilitatorConfig => ({
    ...facilitator,
    auth: resolveAuth(facilitator.auth, facilitator.id, source),
  }));
  expectUniqueIds("FACILITATORS", facilitators);
  const networks = parseJson(
    "NETWORKS",
    source.NETWORKS,
    z.array(networkSchema).min(1).max(16),
  ).map((network): NetworkConfig => {
    const asset = network.asset ?? DEFAULT_ASSETS[network.caip2];
    if (asset === undefined) {
      throw new ConfigError("NETWORKS", `${network.caip2} needs an asset`);
    }
    if (source.PLATFORM_KEYS) platformKeysOf(source);
    return { ...network, rpcUrl: network.rpcUrl ?? null, asset };
  });
  return {
    environment: parseText("ENVIRONMENT", source.ENVIRONMENT, 1),
    baseDomain: parseText("BASE_DOMAIN", source.BASE_DOMAIN, 1),
    facilitators,
    networks,
    canary: parseCanary(source, networks, facilitators),
    operatorToken: parseText("OPERATOR_TOKEN", source.OPERATOR_TOKEN, 16),
    quoteSecret: parseText("QUOTE_SECRET", source.QUOTE_SECRET, 32),
    alerts: parseAlertConfig(source),
  };
}

const parsedConfigs = new WeakMap<object, PlatformConfig>();

/** `parseConfig`, remembered per environment object: one parse per isolate. */
export function configOf(source: ConfigSource): PlatformConfig {
  const known = parsedConfigs.get(source);
  if (known !== undefined) return known;
  const config = parseConfig(source);
  parsedConfigs.set(source, config);
  return config;
}

/** Endpoints are appended to it, and it is shown to operators. */
function isPlain({ username, password, search, hash }: URL): boolean {
  return username + password + search + hash === "";
}
