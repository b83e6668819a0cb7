import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import type { ChainReader, DepositReader } from "../../src/chain/port.ts";
import type { NetworkConfig } from "../../src/config.ts";

/** By CAIP-2 network: a reader for each that has a node to ask. */
export type ChainReaders = ReadonlyMap<string, ChainReader & DepositReader>;

export function chainReaders(networks: readonly NetworkConfig[]): ChainReaders {
  return new Map(
    networks.flatMap((network) =>
      network.rpcUrl === null
        ? []
        : [[network.caip2, evmChainReader(network, network.rpcUrl)] as const],
    ),
  );
}
