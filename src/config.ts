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
import { addressSchema } from "./contracts/address.ts";
import { type AssetConfig, defaultAssets } from "./payment/default-assets.ts";
import { EVM_NAMESPACE, namespaceOf } from "./payment/networks.ts";
import { type CanaryConfig, parseCanary } from "./facilitator/canary-config.ts";
import { type FacilitatorAuth, authSchema, resolveAuth } from "./facilitator/auth-config.ts";
import { type Operator, type OperatorSource, parseOperators } from "./tenant/operators.ts";
import { platformKeysOf } from "./tenant/secrets/platform-keys.ts";
import { type TenantId, tenantIdSchema } from "./tenant/tenant-id.ts";
import { type WalletChangeSource, parseWalletChangeWait } from "./tenant/wallet-change-wait.ts";

const timeoutsSchema = z.strictObject({
  /** All attempts of a call to verify have ten seconds together. */
  verifyMs: z.number().int().min(100).max(10_000).default(5_000),
  settleMs: z.number().int().min(100).max(120_000).default(20_000),
  supportedMs: z.number().int().min(100).max(30_000).default(5_000),
});

/** Each costs every health check, and the last ones of a longer list would hardly ever be asked. */
export const FACILITATORS_MAX = 8;

const PREFERRING_TENANTS_MAX = 64;

const caip2Schema = z
  .string()
  .regex(
    /^(?:eip155:[1-9][0-9]{0,9}|solana:[1-9A-HJ-NP-Za-km-z]{32})$/,
    "must be a CAIP-2 network such as eip155:84532, of eip155 or solana",
  );

/** A token on Solana. */
const mintSchema = z
  .string()
  .regex(/^[1-9A-HJ-NP-Za-km-z]{32,44}$/, "must be an address: 32 to 44 characters of base58");

/** Health checks keep this many networks' kinds (`facilitator/supported.ts`). */
const NETWORKS_MAX = 16;

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

const assetSchema = z.strictObject({
  address: z.union([addressSchema, mintSchema]),
  /** EIP-712 domain of the token: a wrong name makes every signature invalid (x402 #837). On Solana, any. */
  name: z.string().min(1),
  version: z.string().min(1),
  decimals: z.number().int().min(0).max(18),
});

/** More tokens than this on one network are no choice for anybody. */
const ASSETS_MAX = 8;

const networkSchema = z.strictObject({
  caip2: caip2Schema,
  /** Without it settlements are never confirmed and nothing can be paid out: chain evidence is missing. */
  rpcUrl: serviceUrlSchema.optional(),
  /** What prices are paid in unless an option says otherwise; the first that x402 clients know when left out. */
  asset: assetSchema.optional(),
  /** What options may name besides; the others that x402 clients know when both are left out. */
  furtherAssets: z.array(assetSchema).max(ASSETS_MAX).optional(),
  /** Blocks on top of a settlement before it counts as confirmed. */
  confirmations: z.number().int().min(0).max(1_000).default(3),
});

export interface NetworkConfig {
  readonly caip2: string;
  readonly rpcUrl: string | null;
  readonly asset: AssetConfig;
  readonly furtherAssets?: readonly AssetConfig[];
  readonly confirmations: number;
}

/** The token of a network with this address, in its one spelling; null when it is not configured. */
export function findAsset(
  { asset, furtherAssets = [] }: NetworkConfig,
  address: string,
): AssetConfig | null {
  return [asset, ...furtherAssets].find((each) => each.address === address) ?? null;
}

export interface PlatformConfig {
  readonly environment: string;
  readonly baseDomain: string;
  /** The only host that serves `/admin`, and nothing of a tenant; null where every host of the platform serves it. */
  readonly adminHost: string | null;
  /** In order of preference, at least one. */
  readonly facilitators: readonly FacilitatorConfig[];
  /** At least one; the first is where new tenants sell. */
  readonly networks: readonly NetworkConfig[];
  /** At least one. */
  readonly operators: readonly Operator[];
  /** Between a request for another wallet and its effect. */
  readonly walletChangeWaitMs: number;
  readonly quoteSecret: string;
  readonly alerts: AlertConfig;
  /** Null when none pays. */
  readonly canary: CanaryConfig | null;
}

/** The variables the configuration is read from; `Env` has them. */
export interface ConfigSource extends AlertConfigSource, OperatorSource, WalletChangeSource {
  readonly ENVIRONMENT: string;
  readonly BASE_DOMAIN: string;
  /** Where operators are; `/admin` is served wherever the platform is when left out. */
  readonly ADMIN_HOST?: string;
  readonly FACILITATORS: string;
  readonly NETWORKS: string;
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
  const networks = parseNetworks(source);
  expectServed(networks, facilitators);
  if (source.PLATFORM_KEYS) platformKeysOf(source);
  return {
    environment: parseText("ENVIRONMENT", source.ENVIRONMENT, 1),
    baseDomain: parseText("BASE_DOMAIN", source.BASE_DOMAIN, 1),
    adminHost: parseAdminHost(source),
    facilitators,
    networks,
    canary: parseCanary(source, networks, facilitators),
    operators: parseOperators(source),
    walletChangeWaitMs: parseWalletChangeWait(source),
    quoteSecret: parseText("QUOTE_SECRET", source.QUOTE_SECRET, 32),
    alerts: parseAlertConfig(source),
  };
}

/** A network that no facilitator may be used for would be sold on, and every payment turned away. */
function expectServed(
  networks: readonly NetworkConfig[],
  facilitators: readonly Pick<FacilitatorConfig, "networks">[],
): void {
  const unserved = networks.find(
    ({ caip2 }) => !facilitators.some((each) => each.networks?.includes(caip2) ?? true),
  );
  if (unserved !== undefined) {
    throw new ConfigError("FACILITATORS", `none may be used for ${unserved.caip2} of NETWORKS`);
  }
}

function parseAdminHost({ ADMIN_HOST: host, BASE_DOMAIN }: ConfigSource): string | null {
  if (host === undefined || host === "") return null;
  if (URL.parse(`https://${host}`)?.host !== host || host === BASE_DOMAIN) {
    throw new ConfigError("ADMIN_HOST", "must be a host of its own, for example admin.example.com");
  }
  return host;
}

/** The part that the signer's Worker has, too. @throws ConfigError */
export function parseNetworks(source: Pick<ConfigSource, "NETWORKS">): readonly NetworkConfig[] {
  const schema = z.array(networkSchema).min(1).max(NETWORKS_MAX);
  const networks = parseJson("NETWORKS", source.NETWORKS, schema).map((network): NetworkConfig => {
    const { caip2, rpcUrl = null, confirmations } = network;
    const [listed, ...furtherListed] = defaultAssets(caip2);
    const asset = network.asset ?? listed;
    if (asset === undefined) throw new ConfigError("NETWORKS", `${caip2} needs an asset`);
    if (rpcUrl !== null && namespaceOf(caip2) !== EVM_NAMESPACE) {
      throw new ConfigError("NETWORKS", `${caip2} must have no rpcUrl: only EVM chains are read`);
    }
    const furtherAssets =
      network.furtherAssets ?? (network.asset === undefined ? furtherListed : []);
    return { caip2, rpcUrl, asset, furtherAssets, confirmations };
  });
  expectSeparateBooks(networks);
  return networks;
}

/** New tenants sell on the first network, where a deposit account is theirs; and the books are kept by token. */
function expectSeparateBooks(networks: readonly NetworkConfig[]): void {
  const [first] = networks;
  if (first !== undefined && namespaceOf(first.caip2) !== EVM_NAMESPACE) {
    throw new ConfigError(
      "NETWORKS",
      `${first.caip2} can't be the first: it must be an EVM network`,
    );
  }
  const addresses = networks.flatMap(({ asset, furtherAssets = [] }) =>
    [asset, ...furtherAssets].map(({ address }) => address),
  );
  const twice = [...addresses, ...networks.map(({ caip2 }) => caip2)].find(
    (name, index, all) => all.indexOf(name) !== index,
  );
  if (twice !== undefined) {
    throw new ConfigError("NETWORKS", `${twice} must be there once: its books would be mixed`);
  }
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
