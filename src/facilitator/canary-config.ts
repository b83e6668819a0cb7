/** The canary as it is configured: a small payment of our own through each facilitator, now and then. */
import * as z from "zod";
import { isHex } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { ConfigError, parseJson, readSecret, secretNameSchema } from "../config-source.ts";
import type { FacilitatorConfig, NetworkConfig } from "../config.ts";
import { addressSchema } from "../contracts/address.ts";

/** A settlement takes seconds; more often shows nothing more. */
const INTERVAL_MS_MIN = 5_000;
const INTERVAL_MS_MAX = 24 * 3_600_000;

const amountSchema = z
  .string()
  .regex(/^[1-9][0-9]{0,29}$/, "must be atomic units of the token, in decimal digits")
  .transform(BigInt);

const canarySchema = z.strictObject({
  /** Name of the Worker secret that holds the paying wallet's private key. */
  secret: secretNameSchema,
  /** CAIP-2, one of `NETWORKS`: the payment is in its asset. */
  network: z.string(),
  payTo: addressSchema,
  amountAtomic: amountSchema,
  /** Between two payments through one facilitator. */
  intervalMs: z.number().int().min(INTERVAL_MS_MIN).max(INTERVAL_MS_MAX),
  /** Most that is signed away in a day (UTC), over all facilitators. */
  dailySpendCapAtomic: amountSchema,
});

export interface CanaryConfig {
  readonly privateKey: `0x${string}`;
  /** Address of the paying wallet, lower-case hex. */
  readonly wallet: string;
  readonly network: NetworkConfig;
  readonly payTo: string;
  readonly amountAtomic: bigint;
  readonly intervalMs: number;
  readonly dailySpendCapAtomic: bigint;
}

/**
 * Null when `CANARY` is not set: it is off.
 * @throws ConfigError naming what is wrong, never with the key in it.
 */
export function parseCanary(
  source: { readonly CANARY?: string | undefined },
  networks: readonly NetworkConfig[],
  facilitators: readonly Pick<FacilitatorConfig, "networks">[],
): CanaryConfig | null {
  if (source.CANARY === undefined || source.CANARY === "") return null;
  const { secret, network: caip2, ...canary } = parseJson("CANARY", source.CANARY, canarySchema);
  const network = networks.find((each) => each.caip2 === caip2);
  const isServed = facilitators.some((each) => each.networks?.includes(caip2) ?? true);
  if (network === undefined || !isServed) {
    throw new ConfigError("CANARY", "network must be one of NETWORKS, and of a facilitator");
  }
  const { privateKey, wallet } = walletOf(readSecret(source, "CANARY", secret, "it"), secret);
  if (canary.payTo === wallet) {
    throw new ConfigError("CANARY", "payTo must not be the paying wallet itself");
  }
  if (canary.dailySpendCapAtomic < canary.amountAtomic) {
    throw new ConfigError("CANARY", "dailySpendCapAtomic must not be less than amountAtomic");
  }
  return { ...canary, network, privateKey, wallet };
}

function walletOf(key: string, secretName: string): Pick<CanaryConfig, "privateKey" | "wallet"> {
  try {
    if (isHex(key)) return { privateKey: key, wallet: privateKeyToAddress(key).toLowerCase() };
  } catch {
    // Not a number of that curve: said below, without the key.
  }
  throw new ConfigError(
    "CANARY",
    `the secret ${secretName} must be a private key: 0x and 64 hexadecimal digits`,
  );
}
