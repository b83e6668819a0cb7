import { type PlatformConfig, findAsset } from "../config.ts";

const ZERO_ADDRESS = `0x${"00".repeat(20)}`;

/** Whether money sent there would be lost, or the platform's: the zero address, a token itself, the canary's accounts. */
export function swallowsMoney(
  wallet: string,
  { networks, canary }: Pick<PlatformConfig, "networks" | "canary">,
): boolean {
  return (
    wallet === ZERO_ADDRESS ||
    networks.some((network) => findAsset(network, wallet) !== null) ||
    wallet === canary?.wallet ||
    wallet === canary?.payTo
  );
}
