/**
 * The dollar tokens that x402 clients pay with unless they are told otherwise, by network: those of `DEFAULT_ASSETS` of
 * `@x402/evm` that have EIP-3009, and the USDC of `@x402/svm`. A copy, because the packages would bring their clients
 * into the Worker; `test/unit/default-assets.test.ts` compares it with them.
 */

/** A token that prices are paid in, one unit of which is worth one dollar. */
export interface AssetConfig {
  /** Contract in lower-case hex, or mint in base58. */
  readonly address: string;
  /** Name and version of its EIP-712 domain; tokens on Solana have none: their symbol, and an empty version. */
  readonly name: string;
  readonly version: string;
  readonly decimals: number;
}

type Listed = readonly [address: string, name: string, version: string];

const LISTED: Readonly<Record<string, readonly [Listed, ...Listed[]]>> = {
  "eip155:8453": [["0x833589fcd6edb6e08f4c7c32d4f71b54bda02913", "USD Coin", "2"]],
  "eip155:84532": [["0x036cbd53842c5426634e7929541ec2318f3dcf7e", "USDC", "2"]],
  "eip155:1": [["0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "USD Coin", "2"]],
  "eip155:43114": [["0xb97ef9ef8734c71904d8002f8b6bc66dd9c48a6e", "USD Coin", "2"]],
  "eip155:143": [["0x754704bc059f8c67012fed69bc8a327a5aafb603", "USDC", "2"]],
  "eip155:988": [["0x779ded0c9e1022225f8e0630b35a9b54be713736", "USDT0", "1"]],
  "eip155:2201": [["0x78cf24370174180738c5b8e352b6d14c83a6c9a9", "USDT0", "1"]],
  "eip155:137": [["0x3c499c542cef5e3811e1192ce70d8cc03d5c3359", "USD Coin", "2"]],
  "eip155:42161": [["0xaf88d065e77c8cc2239327c5edb3a432268e5831", "USD Coin", "2"]],
  "eip155:421614": [["0x75faf114eafb1bdbe2f0316df893fd58ce46aa4d", "USD Coin", "2"]],
  "eip155:36900": [["0x9cb8142aebbcdc60af7c97af897a67a8f3ca71c2", "USDC.e", "2"]],
  "eip155:190415": [["0x401ecb1d350407f13ba348573e5630b83638e30d", "Bridged USDC", "2"]],
  "eip155:181228": [["0x401ecb1d350407f13ba348573e5630b83638e30d", "Bridged USDC", "2"]],
  "eip155:50": [["0xfa2958cb79b0491cc627c1557f441ef849ca8eb1", "USDC", "2"]],
  "eip155:51": [["0xb5ab69f7bbada22b28e79c8ffaece55ef1c771d4", "USDC", "2"]],
  "eip155:14": [["0xe7cd86e13ac4309349f30b3435a9d337750fc82d", "USD\u20AE0", "1"]],
  "eip155:42220": [
    ["0xceba9300f2b948710d2653dd7b07f33a8b32118c", "USDC", "2"],
    ["0x48065fbbe25f71c9282ddf5e1cd6d6a887483d5e", "Tether USD", "1"],
    ["0xd2ab3c9a02dbbab236bfec45d1d755df4267f771", "Tether America USD", "1"],
  ],
  "eip155:11142220": [["0x01c5c0122039549ad1493b8220cabedd739bc44e", "USDC", "2"]],
  "eip155:1329": [["0xe15fc38f6d8c56af07bbcbe3baf5708a2bf42392", "USDC", "2"]],
  "eip155:1328": [["0x4fcf1784b31630811181f670aea7a7bef803eaed", "USDC", "2"]],
  "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": [
    ["EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "USDC", ""],
  ],
  "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": [
    ["4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", "USDC", ""],
  ],
};

/** All of them have six decimals. */
const DECIMALS = 6;

/** The tokens listed for a network, its default first; empty where none is. */
export function defaultAssets(caip2: string): readonly AssetConfig[] {
  const listed = LISTED[caip2] ?? [];
  return listed.map(([address, name, version]) => ({ address, name, version, decimals: DECIMALS }));
}
