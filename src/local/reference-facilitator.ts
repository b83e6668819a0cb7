/** The reference packages' facilitator for one EVM network: it verifies by simulation and settles by real transactions. */
import { AsyncLocalStorage } from "node:async_hooks";
import { x402Facilitator } from "@x402/core/facilitator";
import type {
  PaymentPayload,
  PaymentRequirements,
  SettleResponse,
  VerifyResponse,
} from "@x402/core/types";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { EVM_NETWORK_CHAIN_ID_MAP } from "@x402/evm/v1";
import { createWalletClient, defineChain, http, publicActions } from "viem";
import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { verifyTypedData } from "viem/actions";
import { createNonceManager, jsonRpc } from "viem/nonce";

/** Below the 20 seconds and more that clients wait for a settlement: they get a hash instead of a timeout. */
const CONFIRMATION_TIMEOUT_MS = 10_000;
/** Local blocks are there within milliseconds. */
const POLLING_INTERVAL_MS = 25;

export interface ReferenceFacilitatorOptions {
  readonly rpcUrl: string;
  /** CAIP-2, EVM only. */
  readonly network: string;
  readonly privateKey: Hex;
  /** A transaction was accepted by the node. */
  readonly onBroadcast: () => void;
}

export interface PaymentCall {
  readonly paymentPayload: PaymentPayload;
  readonly paymentRequirements: PaymentRequirements;
}

export type SupportedAnswer = ReturnType<x402Facilitator["getSupported"]>;

export interface ReferenceFacilitator {
  /** The account that pays the gas. */
  readonly address: Address;
  supported(): SupportedAnswer;
  /** @throws Error for a scheme or network that is not served. */
  verify(call: PaymentCall): Promise<VerifyResponse>;
  /**
   * @param awaitReceipt false: as if the transaction were not mined in time, whether it is or not
   * @throws Error for a scheme or network that is not served.
   */
  settle(call: PaymentCall, awaitReceipt: boolean): Promise<SettleResponse>;
}

export function createReferenceFacilitator(
  options: ReferenceFacilitatorOptions,
): ReferenceFacilitator {
  const chainId = chainIdOf(options.network);
  const network = `eip155:${chainId}` as const;
  const v1Names = Object.entries(EVM_NETWORK_CHAIN_ID_MAP).filter(([, id]) => id === chainId);
  const networkNames = new Set<string>([network, ...v1Names.map(([name]) => name)]);
  const receiptWait = new AsyncLocalStorage<"skipped">();
  const { address, signer } = createSigner(options, chainId, receiptWait);
  // One facilitator for patient and impatient settlements: what it broadcast for one it remembers for the other.
  const facilitator = registerExactEvmScheme(new x402Facilitator(), { signer, networks: network });
  facilitator.register(network, new UptoEvmScheme(signer));
  // The schemes do it by themselves where a payment brings the permit; this lists it.
  facilitator.registerExtension({ key: "eip2612GasSponsoring" });
  return {
    address,
    supported() {
      const supported = facilitator.getSupported();
      // The reference lists every v1 network there is; this facilitator has a node of one.
      const kinds = supported.kinds.filter((kind) => networkNames.has(kind.network));
      return { ...supported, kinds };
    },
    verify: ({ paymentPayload, paymentRequirements }) =>
      facilitator.verify(paymentPayload, paymentRequirements),
    settle({ paymentPayload, paymentRequirements }, awaitReceipt) {
      const settle = () => facilitator.settle(paymentPayload, paymentRequirements);
      return awaitReceipt ? settle() : receiptWait.run("skipped", settle);
    },
  };
}

function chainIdOf(network: string): number {
  const id = /^eip155:([1-9][0-9]{0,9})$/.exec(network)?.[1];
  if (id === undefined) throw new Error(`${network} is no EVM network such as eip155:84532`);
  return Number(id);
}

function createSigner(
  { rpcUrl, privateKey, onBroadcast }: ReferenceFacilitatorOptions,
  chainId: number,
  receiptWait: AsyncLocalStorage<"skipped">,
) {
  // A nonce manager of its own: viem's default one is shared by all chains of a process that have the same chain id.
  const account = privateKeyToAccount(privateKey, {
    nonceManager: createNonceManager({ source: jsonRpc() }),
  });
  const client = createWalletClient({
    account,
    chain: defineChain({
      id: chainId,
      name: `chain ${chainId}`,
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [rpcUrl] } },
    }),
    // A broadcast that is tried again is refused as known already, and would look as if it had failed.
    transport: http(rpcUrl, { retryCount: 0 }),
    pollingInterval: POLLING_INTERVAL_MS,
  }).extend(publicActions);
  const signer = toFacilitatorEvmSigner(
    {
      address: account.address,
      readContract: (request) => client.readContract({ ...request, args: request.args ?? [] }),
      verifyTypedData: (request) => verifyTypedData(client, request),
      getCode: (request) => client.getCode(request),
      sendTransaction: (request) => client.sendTransaction(request),
      async writeContract(request) {
        // Estimated before a nonce is taken: a call that would revert must not leave a gap that holds up the others.
        const gas = await client.estimateContractGas({ ...request, account });
        const hash = await client.writeContract({ ...request, gas: withMargin(gas) });
        onBroadcast();
        return hash;
      },
      waitForTransactionReceipt(request) {
        if (receiptWait.getStore() === "skipped") {
          return Promise.reject(new Error("the receipt was not waited for"));
        }
        return client.waitForTransactionReceipt(request);
      },
    },
    { confirmationTimeoutMs: CONFIRMATION_TIMEOUT_MS },
  );
  return { address: account.address, signer };
}

/** Storage that another payment empties or fills in between changes what the transaction costs. */
function withMargin(gas: bigint): bigint {
  return (gas * 5n) / 4n;
}
