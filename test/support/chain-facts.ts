/** What tests ask of the chain itself: balances and transfers of the token, nobody's word. */
import { type Hex, erc20Abi, getAddress, isHex } from "viem";
import type { ChainTestClient } from "../../src/local/chain-test-client.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";

/** Atomic units. */
export function tokenBalance(chain: ChainTestClient, account: string): Promise<bigint> {
  return chain.readContract({
    address: USDC_ADDRESS,
    abi: erc20Abi,
    functionName: "balanceOf",
    args: [addressOf(account)],
  });
}

/** How many transfers have reached an account, ever. */
export async function transferCount(chain: ChainTestClient, account: string): Promise<number> {
  return (await transfersTo(chain, account)).length;
}

/** All transfers that have reached an account, oldest first. */
export async function transfersTo(
  chain: ChainTestClient,
  account: string,
): Promise<{ from: string; amountAtomic: bigint; transaction: string }[]> {
  const logs = await chain.getContractEvents({
    address: USDC_ADDRESS,
    abi: erc20Abi,
    eventName: "Transfer",
    args: { to: addressOf(account) },
    fromBlock: 0n,
  });
  return logs.map(({ args, transactionHash }) => ({
    from: (args.from ?? "").toLowerCase(),
    amountAtomic: args.value ?? 0n,
    transaction: transactionHash,
  }));
}

function addressOf(account: string): Hex {
  if (!isHex(account)) throw new Error(`${account} is not an address`);
  return getAddress(account);
}
