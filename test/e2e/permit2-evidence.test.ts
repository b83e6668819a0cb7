import {
  type Hex,
  encodeFunctionData,
  isHex,
  maxUint256,
  multicall3Abi,
  parseAbi,
  toHex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import { noncePlace, permitHash } from "../../src/chain/permit2.ts";
import type { ChainReader } from "../../src/chain/port.ts";
import { payers } from "../../src/local/accounts.ts";
import { MULTICALL3_ADDRESS, USDC_ADDRESS } from "../../src/local/local-network.ts";
import { PERMIT2_ADDRESS, X402_EXACT_PERMIT2_PROXY } from "../../src/payment/permit2-contracts.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import {
  type PaymentChain,
  VALID_MS,
  network,
  startPaymentChain,
} from "../support/payment-chain.ts";

/* What a real chain tells of payments by Permit2, which logs none of their nonces. */
const [payer] = payers;
/** Blocks on top that make a block of the local chain final. */
const FINALITY_BLOCKS = 2;

const abi = parseAbi([
  "struct TokenPermissions { address token; uint256 amount; }",
  "struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }",
  "struct Witness { address to; uint256 validAfter; }",
  "function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature)",
  "function approve(address spender, uint256 value)",
  "function invalidateUnorderedNonces(uint256 wordPos, uint256 mask)",
]);

let chain: PaymentChain;
let reader: ChainReader;
let nonces = 1_000n;

beforeAll(async () => {
  chain = await startPaymentChain();
  reader = evmChainReader(network, chain.rpcUrl);
  const args = [PERMIT2_ADDRESS, maxUint256] as const;
  await asPayer(USDC_ADDRESS, encodeFunctionData({ abi, functionName: "approve", args }));
});

afterAll(() => chain?.stop());

async function asPayer(to: Hex, data: Hex): Promise<void> {
  const account = privateKeyToAccount(payer.privateKey);
  const nonce = await chain.client.getTransactionCount({ address: account.address });
  const serialized = await account.signTransaction({
    chainId: 84_532,
    to,
    data,
    nonce,
    gas: 200_000n,
    gasPrice: 10_000_000_000n,
  });
  await chain.client.sendRawTransaction({ serializedTransaction: serialized });
  await chain.client.mine({ blocks: 1 });
}

async function permitted(): Promise<{ authorization: Authorization; claimedAtMs: number }> {
  nonces += 1n;
  const change = { transferMethod: "permit2", nonce: String(nonces) } as const;
  return await chain.signedPayment(change, payer.privateKey);
}

async function settleCall(authorization: Authorization): Promise<Hex> {
  const { asset, payee, nonce, amountAtomic, validBeforeMs } = authorization;
  const permit2 = {
    token: asset,
    permittedAtomic: amountAtomic,
    spender: X402_EXACT_PERMIT2_PROXY,
    facilitator: null,
  };
  const hash = permitHash(authorization, permit2);
  const signature = await privateKeyToAccount(payer.privateKey).sign({ hash });
  const permit = {
    permitted: { token: hexOf(asset), amount: amountAtomic },
    nonce: BigInt(nonce),
    deadline: BigInt(validBeforeMs / 1_000) - 1n,
  };
  const args = [permit, payer.address, { to: hexOf(payee), validAfter: 0n }, signature] as const;
  return encodeFunctionData({ abi, functionName: "settle", args });
}

function hexOf(text: string): Hex {
  if (!isHex(text)) throw new Error(`${text} is no hex`);
  return text;
}

async function send(to: Hex, data: Hex): Promise<Hex> {
  const hash = await chain.submit(to, data);
  await chain.client.mine({ blocks: 1 });
  const { status } = await chain.client.getTransactionReceipt({ hash });
  if (status !== "success") throw new Error("reverted");
  return hash;
}

async function expire(): Promise<void> {
  await chain.client.increaseTime({ seconds: VALID_MS / 1_000 });
  await chain.client.mine({ blocks: 1 + FINALITY_BLOCKS });
}

describe("a payment by Permit2", () => {
  it("is settled by the call that names its nonce, among others of the same amount", async () => {
    const first = await permitted();
    const { authorization, claimedAtMs } = first;
    const second = { ...authorization, nonce: String((nonces += 1n)) };
    await send(X402_EXACT_PERMIT2_PROXY, await settleCall(second));
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({ found: "unused" });
    const transaction = await send(X402_EXACT_PERMIT2_PROXY, await settleCall(authorization));
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toMatchObject({
      found: "transfer",
      transfer: { transaction },
    });
    await chain.client.mine({ blocks: network.confirmations });
    expect(await reader.confirmTransfer(authorization, transaction, claimedAtMs)).toMatchObject({
      found: "confirmed",
      transfer: { transaction },
    });
    // Whatever transaction a facilitator names.
    const named = await reader.confirmTransfer(authorization, toHex(1, { size: 32 }), claimedAtMs);
    expect(named).toMatchObject({ found: "confirmed", transfer: { transaction } });
  });

  it("is not settled by a call that moved another amount", async () => {
    const { authorization, claimedAtMs } = await permitted();
    await send(X402_EXACT_PERMIT2_PROXY, await settleCall(authorization));
    const expected = { ...authorization, amountAtomic: authorization.amountAtomic + 1n };
    expect((await reader.findAuthorization(expected, claimedAtMs)).found).toBe("unavailable");
  });

  it("has expired once a finalized block is past its deadline, with the nonce unspent", async () => {
    const { authorization, claimedAtMs } = await permitted();
    await chain.client.increaseTime({ seconds: VALID_MS / 1_000 });
    await chain.client.mine({ blocks: 1 });
    expect((await reader.findAuthorization(authorization, claimedAtMs)).found).toBe("unused");
    await chain.client.mine({ blocks: FINALITY_BLOCKS });
    expect((await reader.findAuthorization(authorization, claimedAtMs)).found).toBe("expired");
    await expect(send(X402_EXACT_PERMIT2_PROXY, await settleCall(authorization))).rejects.toThrow(
      "reverted",
    );
  });

  it("is an operator's to judge when its nonce was given up, once it can't land any more", async () => {
    const { authorization, claimedAtMs } = await permitted();
    const { word, bit } = noncePlace(authorization.nonce);
    const args = [word, bit] as const;
    const functionName = "invalidateUnorderedNonces";
    await asPayer(PERMIT2_ADDRESS, encodeFunctionData({ abi, functionName, args }));
    expect((await reader.findAuthorization(authorization, claimedAtMs)).found).toBe("unavailable");
    await expire();
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "used_otherwise",
      transaction: null,
    });
  });

  it("is never taken back, and never confirmed, where it was settled within another call", async () => {
    const { authorization, claimedAtMs } = await permitted();
    const callData = await settleCall(authorization);
    const call = { target: X402_EXACT_PERMIT2_PROXY, allowFailure: false, callData } as const;
    const data = encodeFunctionData({
      abi: multicall3Abi,
      functionName: "aggregate3",
      args: [[call]],
    });
    const transaction = await send(MULTICALL3_ADDRESS, data);
    const confirmation = () => reader.confirmTransfer(authorization, transaction, claimedAtMs);
    expect((await confirmation()).found).toBe("unavailable");
    await expire();
    expect((await confirmation()).found).toBe("unavailable");
  });
});
