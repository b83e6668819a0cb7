/** Networks by their names: CAIP-2 in x402 v2, plain words in v1 (EVM_NETWORK_CHAIN_ID_MAP of `@x402/evm/v1`, `@x402/svm/v1`). */
const V1_NAMES: Readonly<Record<string, string>> = {
  "eip155:1": "ethereum",
  "eip155:11155111": "sepolia",
  "eip155:2741": "abstract",
  "eip155:11124": "abstract-testnet",
  "eip155:84532": "base-sepolia",
  "eip155:8453": "base",
  "eip155:43113": "avalanche-fuji",
  "eip155:43114": "avalanche",
  "eip155:4689": "iotex",
  "eip155:1329": "sei",
  "eip155:1328": "sei-testnet",
  "eip155:137": "polygon",
  "eip155:80002": "polygon-amoy",
  "eip155:3338": "peaq",
  "eip155:1514": "story",
  "eip155:41923": "educhain",
  "eip155:324705682": "skale-base-sepolia",
  "eip155:4326": "megaeth",
  "eip155:143": "monad",
  "eip155:988": "stable",
  "eip155:2201": "stable-testnet",
  "eip155:42220": "celo",
  "eip155:14": "flare",
  "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": "solana",
  "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": "solana-devnet",
  "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z": "solana-testnet",
};

const CAIP2_BY_V1_NAME: ReadonlyMap<string, string> = new Map(
  Object.entries(V1_NAMES).map(([caip2, name]) => [name, caip2]),
);

/** The names in the last packages of v1 alone, `x402` 1.2.0 and 0.7.3. v2's packages have more. */
const NAMES_OF_V1_CLIENTS: ReadonlySet<string> = new Set([
  "abstract",
  "abstract-testnet",
  "base-sepolia",
  "base",
  "avalanche-fuji",
  "avalanche",
  "iotex",
  "solana-devnet",
  "solana",
  "sei",
  "sei-testnet",
  "polygon",
  "polygon-amoy",
  "peaq",
  "story",
  "educhain",
  "skale-base-sepolia",
]);

/** Whether clients of v1 alone know the network. They throw at a 402 that has an option on any other one. */
export function isKnownToV1Clients(caip2: string): boolean {
  return NAMES_OF_V1_CLIENTS.has(V1_NAMES[caip2] ?? "");
}

/** Null where v1 has no name for the network: it can't be offered to v1 clients. */
export function v1NetworkName(caip2: string): string | null {
  return V1_NAMES[caip2] ?? null;
}

export function caip2OfV1Name(name: string): string | null {
  return CAIP2_BY_V1_NAME.get(name) ?? null;
}

/** Families of networks that payments are made in. */
export const EVM_NAMESPACE = "eip155";
export const SOLANA_NAMESPACE = "solana";

/** The family of a CAIP-2 network, for example `eip155`. */
export function namespaceOf(caip2: string): string {
  return caip2.split(":", 1)[0] ?? "";
}

/** The one spelling of an address or transaction: hex in lower case on EVM networks, base58 as it is on Solana. */
export function canonicalSpelling(caip2: string, text: string): string {
  return namespaceOf(caip2) === EVM_NAMESPACE ? text.toLowerCase() : text;
}
