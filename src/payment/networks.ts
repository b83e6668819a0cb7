/** x402 v1 calls networks by name, v2 by CAIP-2 (`@x402/evm/v1`, EVM_NETWORK_CHAIN_ID_MAP). */
const V1_NAMES: Readonly<Record<string, string>> = {
  "eip155:8453": "base",
  "eip155:84532": "base-sepolia",
  "eip155:1": "ethereum",
  "eip155:11155111": "sepolia",
  "eip155:137": "polygon",
  "eip155:80002": "polygon-amoy",
  "eip155:43114": "avalanche",
  "eip155:43113": "avalanche-fuji",
  "eip155:42220": "celo",
};

const CAIP2_BY_V1_NAME: ReadonlyMap<string, string> = new Map(
  Object.entries(V1_NAMES).map(([caip2, name]) => [name, caip2]),
);

/** Null where v1 has no name for the network: it can't be offered to v1 clients. */
export function v1NetworkName(caip2: string): string | null {
  return V1_NAMES[caip2] ?? null;
}

export function caip2OfV1Name(name: string): string | null {
  return CAIP2_BY_V1_NAME.get(name) ?? null;
}
