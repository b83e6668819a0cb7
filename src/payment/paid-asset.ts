import { type NetworkConfig, findAsset } from "../config.ts";
import type { DecodedPayment } from "./decode-payment.ts";
import type { AssetConfig } from "./default-assets.ts";

/**
 * The token that a payment is made in: the one it says it accepted. v1 says none and is offered each network's first.
 * A lie changes nothing: the signature is over the token.
 * @param ofTenant where its network is not configured
 */
export function paidAsset(
  { network: caip2, accepted }: Pick<DecodedPayment, "network" | "accepted">,
  networks: readonly NetworkConfig[],
  ofTenant: NetworkConfig,
): AssetConfig {
  const network = networks.find((each) => each.caip2 === caip2) ?? ofTenant;
  return (accepted === null ? null : findAsset(network, accepted.asset)) ?? network.asset;
}
