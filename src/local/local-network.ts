/** The network that the embedded world plays: Base Sepolia, so that x402 clients need no special settings. */
import { defineChain } from "viem";

export const LOCAL_NETWORK = "eip155:84532";

/** Where x402 clients expect USDC on Base Sepolia; other assets they pay only after extra configuration. */
export const USDC_ADDRESS = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

/** The same on every EVM chain; the reference facilitator has it built in. */
export const MULTICALL3_ADDRESS = "0xcA11bde05977b3631167028862bE2a173976CA11";

/** For viem clients. It has no default URL: every chain that is started has its own. */
export const localChain = defineChain({
  id: 84532,
  name: "402claw local",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [] } },
});
