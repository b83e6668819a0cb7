/** EIP-3009 authorizations as the chain sees them: cancelled by their payer, or read back by anybody who looks. */
import { type Hex, decodeFunctionData, isHex, parseAbi, serializeSignature } from "viem";
import { setUpAccount } from "../../src/local/accounts.ts";
import type { ChainTestClient } from "../../src/local/chain-test-client.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";
import { authorizationOf, decodePayment } from "../../src/payment/decode-payment.ts";
import { cancelCall } from "./payment-chain.ts";

const transferAbi = parseAbi([
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
]);

/** The `payload` of an x402 payment of the exact scheme on EVM networks, in both versions. */
export interface SignedTransfer {
  readonly signature: Hex;
  readonly authorization: Readonly<
    Record<"from" | "to" | "value" | "validAfter" | "validBefore" | "nonce", string>
  >;
}

/** The payer takes back what a payment header promises, before anybody has used it. */
export async function cancelPayment(
  chain: ChainTestClient,
  header: string,
  privateKey: Hex,
): Promise<void> {
  const decoded = decodePayment(new Headers({ "PAYMENT-SIGNATURE": header }));
  if (decoded.kind !== "payment") throw new Error("this is no payment header");
  const hash = await chain.sendTransaction({
    account: setUpAccount.address,
    to: USDC_ADDRESS,
    data: await cancelCall(authorizationOf(decoded.payment, USDC_ADDRESS), privateKey),
  });
  const { status } = await chain.waitForTransactionReceipt({ hash });
  if (status !== "success") throw new Error("the authorization could not be cancelled");
}

/** What a settlement's calldata tells everybody: the payer's authorization and signature. */
export async function signedTransferIn(
  chain: ChainTestClient,
  transaction: string,
): Promise<SignedTransfer> {
  if (!isHex(transaction)) throw new Error(`${transaction} is no transaction hash`);
  const { input } = await chain.getTransaction({ hash: transaction });
  const { args } = decodeFunctionData({ abi: transferAbi, data: input });
  const [from, to, value, validAfter, validBefore, nonce, ...signature] = args;
  const [first, r, s] = signature;
  return {
    signature:
      r === undefined || s === undefined || typeof first === "string"
        ? (String(first) as Hex)
        : serializeSignature({ v: BigInt(first), r, s }),
    authorization: {
      from,
      to,
      value: String(value),
      validAfter: String(validAfter),
      validBefore: String(validBefore),
      nonce,
    },
  };
}
