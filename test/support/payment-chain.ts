import {
  type Hex,
  encodeFunctionData,
  keccak256,
  multicall3Abi,
  parseAbi,
  parseSignature,
} from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../../src/chain/payout-authorization.ts";
import type { NetworkConfig } from "../../src/config.ts";
import { setUpAccount } from "../../src/local/accounts.ts";
import { startChain } from "../../src/local/chain.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import {
  LOCAL_NETWORK,
  MULTICALL3_ADDRESS,
  USDC_ADDRESS,
  localChain,
} from "../../src/local/local-network.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";

export const PRICE_ATOMIC = 1_000n;
/** How long an authorization of `signedPayment` is valid. */
export const VALID_MS = 300_000;

export const network: NetworkConfig = {
  caip2: LOCAL_NETWORK,
  rpcUrl: null,
  asset: { address: USDC_ADDRESS.toLowerCase(), name: "USDC", version: "2", decimals: 6 },
  confirmations: 2,
};

const tokenAbi = parseAbi([
  "function mint(address to, uint256 value)",
  "function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature)",
  "function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)",
]);

/** An authorization with the key of its payer, claimed at the chain's present time. */
export interface SignedPayment {
  readonly authorization: Authorization;
  readonly claimedAtMs: number;
  readonly privateKey: Hex;
}

export type PaymentChain = Awaited<ReturnType<typeof startPaymentChain>>;

/**
 * A real chain with the token, and the transactions that make and prevent settlements on it. It mines when it is told
 * to and not by itself, so that depths and times are the test's.
 */
export async function startPaymentChain() {
  const chain = await startChain({ stateDir: null });
  const client = chainTestClient(chain.rpcUrl);
  await client.setAutomine(false);

  /** Without a block of its own. */
  function submit(to: Hex, data: Hex): Promise<Hex> {
    return client.sendTransaction({ account: setUpAccount.address, to, data, gas: 1_000_000n });
  }

  /** In the next block, whether it succeeds or reverts. */
  async function send(to: Hex, data: Hex) {
    const hash = await submit(to, data);
    await client.mine({ blocks: 1 });
    return client.getTransactionReceipt({ hash });
  }

  async function nowOnChain(): Promise<number> {
    return Number((await client.getBlock()).timestamp) * 1_000;
  }

  return {
    rpcUrl: chain.rpcUrl,
    client,
    submit,
    nowOnChain,
    stop: () => chain.stop(),

    /** A payer with money for ten payments. */
    async signedPayment(
      change: Partial<Authorization> = {},
      privateKey = generatePrivateKey(),
    ): Promise<SignedPayment> {
      const payer = privateKeyToAccount(privateKey).address;
      const args = [payer, 10n * PRICE_ATOMIC] as const;
      await send(USDC_ADDRESS, encodeFunctionData({ abi: tokenAbi, functionName: "mint", args }));
      const claimedAtMs = await nowOnChain();
      const authorization: Authorization = {
        network: network.caip2,
        asset: network.asset.address,
        payer: payer.toLowerCase(),
        payee: privateKeyToAccount(generatePrivateKey()).address.toLowerCase(),
        amountAtomic: PRICE_ATOMIC,
        nonce: keccak256(generatePrivateKey()),
        validAfterMs: 0,
        validBeforeMs: claimedAtMs + VALID_MS,
        ...change,
      };
      return { authorization, claimedAtMs, privateKey };
    },

    async settle(authorization: Authorization, privateKey: Hex) {
      return send(USDC_ADDRESS, await transferCall(authorization, privateKey));
    },

    /** Several token calls in one transaction, in this order. */
    async sendTogether(calls: readonly Hex[]) {
      const batch = calls.map((callData): TokenCall => ({
        target: USDC_ADDRESS,
        allowFailure: false,
        callData,
      }));
      return send(
        MULTICALL3_ADDRESS,
        encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [batch] }),
      );
    },

    async cancel(authorization: Authorization, privateKey: Hex) {
      return send(USDC_ADDRESS, await cancelCall(authorization, privateKey));
    },

    async letTimePass(milliseconds: number): Promise<void> {
      await client.increaseTime({ seconds: milliseconds / 1_000 });
      await client.mine({ blocks: 1 });
    },

    /** Replaces the newest blocks by empty ones. */
    async reorganise(depth: number): Promise<void> {
      await client.request<ReorgRequest>({ method: "anvil_reorg", params: [depth, []] });
    },
  };
}

export async function transferCall(authorization: Authorization, privateKey: Hex): Promise<Hex> {
  return encodeFunctionData({
    abi: tokenAbi,
    functionName: "transferWithAuthorization",
    args: [
      authorization.payer as Hex,
      authorization.payee as Hex,
      authorization.amountAtomic,
      BigInt(authorization.validAfterMs / 1_000),
      BigInt(authorization.validBeforeMs / 1_000),
      authorization.nonce as Hex,
      await signAuthorization(authorization, network.asset, privateKey),
    ],
  });
}

export async function cancelCall(authorization: Authorization, privateKey: Hex): Promise<Hex> {
  const authorizer = authorization.payer as Hex;
  const nonce = authorization.nonce as Hex;
  const signature = await privateKeyToAccount(privateKey).signTypedData({
    domain: {
      name: network.asset.name,
      version: network.asset.version,
      chainId: localChain.id,
      verifyingContract: USDC_ADDRESS,
    },
    types: {
      CancelAuthorization: [
        { name: "authorizer", type: "address" },
        { name: "nonce", type: "bytes32" },
      ],
    },
    primaryType: "CancelAuthorization",
    message: { authorizer, nonce },
  });
  const { v, r, s } = parseSignature(signature);
  return encodeFunctionData({
    abi: tokenAbi,
    functionName: "cancelAuthorization",
    args: [authorizer, nonce, Number(v), r, s],
  });
}

interface TokenCall {
  readonly target: Hex;
  readonly allowFailure: boolean;
  readonly callData: Hex;
}

interface ReorgRequest {
  readonly Method: "anvil_reorg";
  readonly Parameters: [depth: number, transactions: readonly unknown[]];
  readonly ReturnType: null;
}
