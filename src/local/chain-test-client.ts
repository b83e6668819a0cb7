/** A viem client with every control that the local chain has; for tests and for setting a chain up. */
import { createTestClient, http, publicActions, walletActions } from "viem";
import { localChain } from "./local-network.ts";

/** Local blocks are there within milliseconds. */
const POLLING_INTERVAL_MS = 25;

/**
 * Reads, transactions and test controls for a local chain. Every account of `accounts.ts` is unlocked.
 *
 * `setAutomine(false)` holds all blocks back, the clock's included, until `mine` or
 * `setAutomine(true)`; that is how a settlement is kept pending.
 */
export function chainTestClient(rpcUrl: string) {
  return createTestClient({
    mode: "anvil",
    chain: localChain,
    transport: http(rpcUrl),
    pollingInterval: POLLING_INTERVAL_MS,
    // A test that asks twice means now, not what viem remembers from the first time.
    cacheTime: 0,
  })
    .extend(publicActions)
    .extend(walletActions);
}

export type ChainTestClient = ReturnType<typeof chainTestClient>;
