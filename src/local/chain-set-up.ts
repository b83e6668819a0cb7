/** What a local chain needs before the first payment: a dollar, Permit2, Multicall3, and buyers with money. */
import { parseAbi } from "viem";
import { payers, setUpAccount } from "./accounts.ts";
import { chainTestClient } from "./chain-test-client.ts";
import { MULTICALL3_ADDRESS, USDC_ADDRESS } from "./local-network.ts";
import {
  PERMIT2_ADDRESS,
  X402_EXACT_PERMIT2_PROXY,
  X402_UPTO_PERMIT2_PROXY,
} from "../payment/permit2-contracts.ts";
import {
  exactPermit2ProxyCode,
  multicall3Code,
  permit2Code,
  testUsdcCode,
  uptoPermit2ProxyCode,
} from "./token/contracts.ts";

/** What every buyer starts with: 1,000 USDC. Ether the node gives them. */
export const PAYER_FUNDS_ATOMIC = 1_000_000_000n;

const mintAbi = parseAbi(["function mint(address to, uint256 value)"]);

/** Where the same contracts are on every EVM chain. */
const WELL_KNOWN = [
  [PERMIT2_ADDRESS, permit2Code],
  [X402_EXACT_PERMIT2_PROXY, exactPermit2ProxyCode],
  [X402_UPTO_PERMIT2_PROXY, uptoPermit2ProxyCode],
] as const;

/** Changes nothing on a chain that was set up before. */
export async function setUpChain(rpcUrl: string): Promise<void> {
  const client = chainTestClient(rpcUrl);
  // Every time: a chain may have been saved before it had them. Storage stays.
  for (const [address, bytecode] of WELL_KNOWN) await client.setCode({ address, bytecode });
  // Multicall3 comes last, so its presence says that the set-up was completed.
  if ((await client.getCode({ address: MULTICALL3_ADDRESS })) !== undefined) return;
  await client.setCode({ address: USDC_ADDRESS, bytecode: testUsdcCode });
  for (const { address } of payers) {
    const hash = await client.writeContract({
      account: setUpAccount.address,
      address: USDC_ADDRESS,
      abi: mintAbi,
      functionName: "mint",
      args: [address, PAYER_FUNDS_ATOMIC],
    });
    await client.waitForTransactionReceipt({ hash });
  }
  await client.setCode({ address: MULTICALL3_ADDRESS, bytecode: multicall3Code });
}
