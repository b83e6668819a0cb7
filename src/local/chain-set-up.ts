/** What a new local chain needs before the first payment: a dollar, Multicall3, and buyers with money. */
import { parseAbi } from "viem";
import { payers, setUpAccount } from "./accounts.ts";
import { chainTestClient } from "./chain-test-client.ts";
import { MULTICALL3_ADDRESS, USDC_ADDRESS } from "./local-network.ts";
import { multicall3Code, testUsdcCode } from "./token/contracts.ts";

/** What every buyer starts with: 1,000 USDC. Ether the node gives them. */
export const PAYER_FUNDS_ATOMIC = 1_000_000_000n;

const mintAbi = parseAbi(["function mint(address to, uint256 value)"]);

/** Does nothing on a chain that was set up before. */
export async function setUpChain(rpcUrl: string): Promise<void> {
  const client = chainTestClient(rpcUrl);
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
