import { keccak256, toHex } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { evmChainReader } from "../../src/chain/evm-chain-reader.ts";
import type { ChainReader, DepositReader } from "../../src/chain/port.ts";
import { USDC_ADDRESS } from "../../src/local/local-network.ts";
import {
  type PaymentChain,
  PRICE_ATOMIC,
  VALID_MS,
  network,
  startPaymentChain,
  transferCall,
} from "../support/payment-chain.ts";

/*
 * Every piece of evidence that the settlement core decides on, read from a real chain after the transactions that
 * make it. Each test has accounts of its own; the chain's clock only moves forward.
 */
const TOKEN = network.asset.address;
/** Blocks on top that make a block of the local chain final. */
const FINALITY_BLOCKS = 2;

let chain: PaymentChain;
let reader: ChainReader & DepositReader;

beforeAll(async () => {
  chain = await startPaymentChain();
  reader = evmChainReader(network, chain.rpcUrl);
});

afterAll(async () => {
  await chain.stop();
});

describe("a settlement", () => {
  it("is the transfer next to the use of its authorization", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const receipt = await chain.settle(authorization, privateKey);
    const block = await chain.client.getBlock({ blockNumber: receipt.blockNumber });
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "transfer",
      transfer: {
        transaction: receipt.transactionHash,
        logIndex: receipt.logs[1]?.logIndex,
        blockNumber: receipt.blockNumber,
        blockHash: receipt.blockHash,
        blockTimestampMs: Number(block.timestamp) * 1_000,
      },
    });
    await chain.client.mine({ blocks: network.confirmations });
    expect(await reader.balanceOf(TOKEN, authorization.payee)).toEqual({
      balanceAtomic: PRICE_ATOMIC,
      blockNumber: receipt.blockNumber,
    });
  });

  it("has evidence of its own when several of one payer are made in one transaction", async () => {
    const { authorization: first, claimedAtMs, privateKey } = await chain.signedPayment();
    const second = { ...first, nonce: keccak256(toHex("second")) };
    const receipt = await chain.sendTogether([
      await transferCall(first, privateKey),
      await transferCall(second, privateKey),
    ]);
    const evidence = await Promise.all([
      reader.findAuthorization(first, claimedAtMs),
      reader.findAuthorization(second, claimedAtMs),
    ]);
    expect(evidence).toMatchObject([
      { found: "transfer", transfer: { logIndex: receipt.logs[1]?.logIndex } },
      { found: "transfer", transfer: { logIndex: receipt.logs[3]?.logIndex } },
    ]);
    expect(receipt.logs[3]?.logIndex).not.toBe(receipt.logs[1]?.logIndex);
  });

  it("is not the transfer of another authorization in the same transaction", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const elsewhere = { ...authorization, payee: "0x000000000000000000000000000000000000dead" };
    const earlier = { ...authorization, nonce: keccak256(toHex("earlier")) };
    const later = { ...authorization, nonce: keccak256(toHex("later")) };
    const { transactionHash } = await chain.sendTogether([
      await transferCall(earlier, privateKey),
      await transferCall(elsewhere, privateKey),
      await transferCall(later, privateKey),
    ]);
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "used_otherwise",
      transaction: transactionHash,
    });
  });

  it("is not one that was made before the claim", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const { transactionHash } = await chain.settle(authorization, privateKey);
    const withinSkewMs = claimedAtMs + 60_000;
    expect(await reader.findAuthorization(authorization, withinSkewMs)).toMatchObject({
      found: "transfer",
    });
    await chain.letTimePass(120_000);
    const laterMs = await chain.nowOnChain();
    expect(await reader.findAuthorization(authorization, laterMs)).toEqual({
      found: "used_otherwise",
      transaction: transactionHash,
    });
    await chain.letTimePass(31_000);
    expect(await reader.confirmTransfer(authorization, transactionHash, laterMs)).toEqual({
      found: "missing",
    });
  });
});

describe("an authorization that has not landed", () => {
  it("is unused, though an attempt at it was mined and reverted", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment({
      amountAtomic: 11n * PRICE_ATOMIC,
    });
    const { status, transactionHash } = await chain.settle(authorization, privateKey);
    expect(status).toBe("reverted");
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({ found: "unused" });
    await chain.letTimePass(31_000);
    expect(await reader.confirmTransfer(authorization, transactionHash, claimedAtMs)).toEqual({
      found: "missing",
    });
  });

  it("is unused while it waits to be mined, and its transaction is shallow", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const data = await transferCall(authorization, privateKey);
    const hash = await chain.submit(USDC_ADDRESS, data);
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({ found: "unused" });
    expect(await reader.confirmTransfer(authorization, hash, claimedAtMs)).toEqual({
      found: "shallow",
      confirmations: 0,
    });
    await chain.client.mine({ blocks: 1 });
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toMatchObject({
      found: "transfer",
    });
  });

  it("is cancelled once the cancellation is as deep as a settlement must be", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const { transactionHash } = await chain.cancel(authorization, privateKey);
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "unavailable",
      reason: "the cancellation is not deep enough yet",
    });
    await chain.client.mine({ blocks: network.confirmations });
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "canceled",
      transaction: transactionHash,
    });
  });

  it("is expired only when a block past its time is final", async () => {
    const { authorization, claimedAtMs } = await chain.signedPayment();
    await chain.letTimePass(VALID_MS);
    await chain.client.mine({ blocks: FINALITY_BLOCKS - 1 });
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({ found: "unused" });
    await chain.client.mine({ blocks: 1 });
    const evidence = await reader.findAuthorization(authorization, claimedAtMs);
    if (evidence.found !== "expired") throw new Error(evidence.found);
    expect(evidence.finalizedBlockTimestampMs).toBeGreaterThanOrEqual(authorization.validBeforeMs);
  });

  it("is not expired when it landed in time, however long ago", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    await chain.settle(authorization, privateKey);
    await chain.letTimePass(VALID_MS);
    await chain.client.mine({ blocks: FINALITY_BLOCKS });
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toMatchObject({
      found: "transfer",
    });
  });
});

describe("a recorded settlement", () => {
  it("is confirmed under the configured number of blocks", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const { transactionHash } = await chain.settle(authorization, privateKey);
    const confirm = () => reader.confirmTransfer(authorization, transactionHash, claimedAtMs);
    expect(await confirm()).toEqual({ found: "shallow", confirmations: 0 });
    await chain.client.mine({ blocks: 1 });
    expect(await confirm()).toEqual({ found: "shallow", confirmations: 1 });
    await chain.client.mine({ blocks: 1 });
    expect(await confirm()).toMatchObject({
      found: "confirmed",
      transfer: { transaction: transactionHash },
    });
  });

  it("is confirmed where it is, when the facilitator named another transaction", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const { transactionHash } = await chain.settle(authorization, privateKey);
    await chain.client.mine({ blocks: network.confirmations });
    const replaced = keccak256(toHex("replaced"));
    expect(await reader.confirmTransfer(authorization, replaced, claimedAtMs)).toMatchObject({
      found: "confirmed",
      transfer: { transaction: transactionHash },
    });
  });

  it("is missing when the facilitator made it up, but not before the node must have seen it", async () => {
    const { authorization, claimedAtMs } = await chain.signedPayment();
    const madeUp = keccak256(toHex("made up"));
    expect(await reader.confirmTransfer(authorization, madeUp, claimedAtMs)).toEqual({
      found: "unavailable",
      reason: "too early to miss the transfer",
    });
    await chain.letTimePass(31_000);
    expect(await reader.confirmTransfer(authorization, madeUp, claimedAtMs)).toEqual({
      found: "missing",
    });
  });

  it("is missing after a reorganisation took it, and found again where it lands anew", async () => {
    const { authorization, claimedAtMs, privateKey } = await chain.signedPayment();
    const before = await chain.settle(authorization, privateKey);
    await chain.client.mine({ blocks: 2 });
    const confirm = () =>
      reader.confirmTransfer(authorization, before.transactionHash, claimedAtMs);
    expect(await confirm()).toMatchObject({ found: "confirmed" });

    await chain.reorganise(3);
    await chain.letTimePass(31_000);
    expect(await confirm()).toEqual({ found: "missing" });
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toEqual({ found: "unused" });

    const after = await chain.settle(authorization, privateKey);
    expect(after.blockHash).not.toBe(before.blockHash);
    expect(await reader.findAuthorization(authorization, claimedAtMs)).toMatchObject({
      found: "transfer",
      transfer: { blockHash: after.blockHash },
    });
    await chain.client.mine({ blocks: 2 });
    expect(await confirm()).toMatchObject({
      found: "confirmed",
      transfer: { blockHash: after.blockHash },
    });
  });
});

describe("a node", () => {
  it("that is gone proves nothing", async () => {
    const { authorization, claimedAtMs } = await chain.signedPayment();
    const other = await startPaymentChain();
    const goneReader = evmChainReader(network, other.rpcUrl);
    expect(await goneReader.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "unused",
    });
    await other.stop();
    const gone = { found: "unavailable", reason: "the node could not be reached" };
    expect(await goneReader.findAuthorization(authorization, claimedAtMs)).toEqual(gone);
    expect(
      await goneReader.confirmTransfer(authorization, authorization.nonce, claimedAtMs),
    ).toEqual(gone);
    expect(await goneReader.balanceOf(TOKEN, authorization.payer)).toBeNull();
  });

  it("without the token proves nothing", async () => {
    const { authorization, claimedAtMs } = await chain.signedPayment({
      asset: "0x00000000000000000000000000000000000a55e7",
    });
    const evidence = await reader.findAuthorization(authorization, claimedAtMs);
    expect(evidence.found).toBe("unavailable");
  });

  it("of another chain proves nothing", async () => {
    const { authorization, claimedAtMs } = await chain.signedPayment();
    const mainnet = evmChainReader({ ...network, caip2: "eip155:8453" }, chain.rpcUrl);
    expect(await mainnet.findAuthorization(authorization, claimedAtMs)).toEqual({
      found: "unavailable",
      reason: "the node is of another chain",
    });
  });
});
