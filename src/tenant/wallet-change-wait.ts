/** How long a change of a tenant's wallet waits: the variable WALLET_CHANGE_WAIT_MS. */
import { ConfigError } from "../config-source.ts";

/** Two days: a weekend's mail is read on Monday. */
const WAIT_MS_DEFAULT = 48 * 3_600_000;
/** Much longer than an authorization that was signed for the wallet before is valid for. */
const WAIT_MS_MIN = 24 * 3_600_000;
const WAIT_MS_MAX = 30 * 24 * 3_600_000;
/** Where nothing is at stake. */
const WAIT_MS_MIN_LOCAL = 1_000;

export interface WalletChangeSource {
  readonly ENVIRONMENT: string;
  /** Milliseconds between a request and its effect; 48 hours when left out. */
  readonly WALLET_CHANGE_WAIT_MS?: string;
}

/** @throws ConfigError */
export function parseWalletChangeWait(source: WalletChangeSource): number {
  const text = source.WALLET_CHANGE_WAIT_MS ?? "";
  if (text === "") return WAIT_MS_DEFAULT;
  const waitMs = /^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
  const minMs = source.ENVIRONMENT === "local" ? WAIT_MS_MIN_LOCAL : WAIT_MS_MIN;
  if (waitMs >= minMs && waitMs <= WAIT_MS_MAX) return waitMs;
  throw new ConfigError(
    "WALLET_CHANGE_WAIT_MS",
    `must be milliseconds, from ${minMs} to ${WAIT_MS_MAX}`,
  );
}
