import { DEFAULT_ASSETS as EVM_ASSETS } from "@x402/evm";
import { EVM_NETWORK_CHAIN_ID_MAP } from "@x402/evm/v1";
import { DEFAULT_ASSETS as SVM_ASSETS, V1_TO_V2_NETWORK_MAP } from "@x402/svm";
import { expect, it } from "vitest";
import { findAsset, parseNetworks } from "../../src/config.ts";
import { defaultAssets } from "../../src/payment/default-assets.ts";
import { caip2OfV1Name, v1NetworkName } from "../../src/payment/networks.ts";

it("lists the tokens that the official EVM clients pay with, but for those without EIP-3009", () => {
  for (const [network, listed] of Object.entries(EVM_ASSETS)) {
    const withEip3009 = (listed ?? []).filter(
      ({ assetTransferMethod }) => assetTransferMethod === undefined,
    );
    expect([network, defaultAssets(network)]).toEqual([
      network,
      withEip3009.map(({ asset, name, version, decimals }) => ({
        address: asset.toLowerCase(),
        name,
        version,
        decimals,
      })),
    ]);
  }
});

it("lists the first token of the official Solana client, where money is or is tried out", () => {
  const networks = Object.entries(SVM_ASSETS).filter(([, listed]) => listed !== undefined);
  const own = networks.flatMap(([network, listed]) => {
    const [known] = defaultAssets(network);
    return known === undefined ? [] : [[known.address, known.decimals, listed?.[0]] as const];
  });
  expect(own).toHaveLength(2);
  for (const [address, decimals, listed] of own) {
    expect(listed).toMatchObject({ asset: address, decimals });
  }
});

it("knows every network that v1 has a name for, both ways", () => {
  const evm = Object.entries(EVM_NETWORK_CHAIN_ID_MAP).map(([name, id]) => [name, `eip155:${id}`]);
  for (const [name = "", caip2 = ""] of [...evm, ...Object.entries(V1_TO_V2_NETWORK_MAP)]) {
    expect([caip2OfV1Name(name), v1NetworkName(caip2)]).toEqual([caip2, name]);
  }
});

it("a network without a token of its own takes the list's, and its further ones", () => {
  const [celo] = parseNetworks({ NETWORKS: '[{"caip2":"eip155:42220"}]' });
  expect(celo?.asset.name).toBe("USDC");
  expect(celo?.furtherAssets?.map(({ name }) => name)).toEqual([
    "Tether USD",
    "Tether America USD",
  ]);
  expect(celo && findAsset(celo, "0x48065fbbe25f71c9282ddf5e1cd6d6a887483d5e")?.name).toBe(
    "Tether USD",
  );
  expect(celo && findAsset(celo, `0x${"00".repeat(20)}`)).toBeNull();
});
