/** What a contract wallet says to a signature (EIP-1271), asked at the latest block. */
import {
  type Hex,
  RpcRequestError,
  createClient,
  encodeFunctionData,
  hexToNumber,
  http,
  parseAbi,
} from "viem";
import { evmChainId } from "./eip3009.ts";
import { asHex } from "./hex.ts";

const erc1271Abi = parseAbi(["function isValidSignature(bytes32, bytes) view returns (bytes4)"]);

/** The first four bytes of a yes; everything else is a no. */
const MAGIC_VALUE = "0x1626ba7e";

const RPC_TIMEOUT_MS = 5_000;
const RPC_BODY_MAX_BYTES = 64 * 1024;

export interface ContractSignature {
  /** Address of the contract. */
  readonly wallet: string;
  readonly hash: Hex;
  readonly signature: Hex;
}

/** `unavailable`: the node does not answer, or is of another chain. Where there is no contract, nothing is signed. */
export async function contractSigned(
  caip2: string,
  rpcUrl: string,
  { wallet, hash, signature }: ContractSignature,
): Promise<"signed" | "not_signed" | "unavailable"> {
  const client = createClient({
    transport: http(rpcUrl, {
      retryCount: 0,
      timeout: RPC_TIMEOUT_MS,
      maxResponseBodySize: RPC_BODY_MAX_BYTES,
    }),
  });
  const data = encodeFunctionData({ abi: erc1271Abi, args: [hash, signature] });
  try {
    const chainId = await client.request({ method: "eth_chainId" });
    if (hexToNumber(chainId) !== evmChainId(caip2)) return "unavailable";
    const answer = await client.request({
      method: "eth_call",
      params: [{ to: asHex(wallet), data }, "latest"],
    });
    return answer.startsWith(MAGIC_VALUE) ? "signed" : "not_signed";
  } catch (error) {
    // The contract reverted, which is how some say no.
    return error instanceof RpcRequestError ? "not_signed" : "unavailable";
  }
}
