import { x402Facilitator } from "@x402/core/facilitator";
import type { PaymentPayload, PaymentRequirements } from "@x402/core/types";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { registerExactEvmScheme } from "@x402/evm/exact/facilitator";
import type { VerifyTypedDataParameters } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deriveDepositAccount } from "../../src/chain/deposit-account.ts";
import { wirePayoutPayment } from "../../src/chain/eip3009.ts";
import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import { payoutNonce, signAuthorization } from "../../src/chain/payout-authorization.ts";
import { setUpAccount } from "../../src/local/accounts.ts";
import { localChain } from "../../src/local/local-network.ts";
import {
  type PaymentChain,
  PRICE_ATOMIC,
  network,
  startPaymentChain,
} from "../support/payment-chain.ts";

let chain: PaymentChain;

beforeAll(async () => {
  chain = await startPaymentChain();
  await chain.client.setAutomine(true);
});

afterAll(async () => {
  await chain.stop();
});

describe("a payout", () => {
  it("is settled by any facilitator, once, with the same evidence as a payment", async () => {
    const seed = crypto.getRandomValues(new Uint8Array(32));
    const account = await deriveDepositAccount(seed, "local", 1);
    const { authorization, claimedAtMs } = await chain.signedPayment(
      { nonce: payoutNonce("out_acme_1") },
      account.privateKey,
    );
    const signature = await signAuthorization(authorization, network.asset, account.privateKey);
    const wire = wirePayoutPayment(authorization, network.asset, signature);
    // What we send is plain JSON to us; the reference facilitator is called as if it had parsed it.
    const payload = wire.paymentPayload as unknown as PaymentPayload;
    const requirements = wire.paymentRequirements as unknown as PaymentRequirements;

    expect(await newFacilitator().verify(payload, requirements)).toMatchObject({ isValid: true });
    const settled = await newFacilitator().settle(payload, requirements);
    expect(settled.success).toBe(true);
    expect(settled.payer?.toLowerCase()).toBe(account.address);
    expect((await newFacilitator().settle(payload, requirements)).success).toBe(false);

    const reader = evmChainReader(network, chain.rpcUrl);
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toMatchObject({
      found: "transfer",
      transfer: { transaction: settled.transaction },
    });
    await chain.client.mine({ blocks: network.confirmations });
    expect(await reader.balanceOf(authorization.asset, authorization.payee)).toMatchObject({
      balanceAtomic: PRICE_ATOMIC,
    });
  });
});

/** The reference implementation, without memory of what other instances settled. */
function newFacilitator(): x402Facilitator {
  const { client } = chain;
  const signer = toFacilitatorEvmSigner({
    address: setUpAccount.address,
    readContract: (call) => client.readContract(call),
    verifyTypedData: (call) => client.verifyTypedData(call as VerifyTypedDataParameters),
    writeContract: (call) =>
      client.writeContract({ ...call, account: setUpAccount.address, chain: localChain }),
    sendTransaction: (call) => client.sendTransaction({ ...call, account: setUpAccount.address }),
    waitForTransactionReceipt: (call) => client.waitForTransactionReceipt(call),
    getCode: (call) => client.getCode(call),
  });
  return registerExactEvmScheme(new x402Facilitator(), { signer, networks: "eip155:84532" });
}
