/**
 * The few JSON-RPC reads that chain evidence needs, each parsed where it comes in. Calls throw on any failure; the
 * chain reader turns that into `unavailable` (`rpc-failure.ts`).
 */
import {
  type Hex,
  createClient,
  decodeFunctionResult,
  encodeFunctionData,
  http,
  isHash,
  isHex,
  numberToHex,
} from "viem";
import * as z from "zod";
import { PERMIT2_ADDRESS } from "../payment/permit2-contracts.ts";
import type { Authorization } from "../settlement/authorization.ts";
import { eip3009Abi } from "./eip3009.ts";
import { asHex } from "./hex.ts";
import { type EvmCall, noncePlace, permit2Abi } from "./permit2.ts";
import { ChainUnavailableError } from "./rpc-failure.ts";
import type { EvmLog } from "./settlement-logs.ts";

/** A node answers each of these reads within a second. The engine asks again later, so waiting gains nothing. */
const RPC_TIMEOUT_MS = 5_000;
/** Receipts are the largest answers: a block full of batched transfers stays below 2 MB of JSON. */
const RPC_BODY_MAX_BYTES = 4 * 1024 * 1024;

export interface EvmBlock {
  readonly number: bigint;
  /** Lower-case hex. */
  readonly hash: Hex;
  readonly timestampMs: number;
}

export interface EvmReceipt {
  /** False when the transaction was mined and reverted: it then did nothing. */
  readonly succeeded: boolean;
  readonly transaction: Hex;
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
  readonly logs: readonly EvmLog[];
}

export interface LogFilter {
  readonly address: string;
  /** Per position: one topic, any of several, or null for whatever is there. */
  readonly topics: readonly (Hex | readonly Hex[] | null)[];
  /** Both ends are searched. */
  readonly fromBlock: bigint;
  readonly toBlock: bigint;
}

/** What the token, or Permit2, keeps a spent authorization under. */
export type SpendingKey = Pick<Authorization, "asset" | "payer" | "nonce" | "transferMethod">;

export interface EvmNode {
  chainId(): Promise<number>;
  /** @throws ChainUnavailableError when the node has no such block. */
  block(at: bigint | "latest" | "finalized"): Promise<EvmBlock>;
  logs(filter: LogFilter): Promise<readonly EvmLog[]>;
  /** null when the node knows no mined transaction of this hash, or it is none. */
  receipt(transaction: string): Promise<EvmReceipt | null>;
  /** What a transaction asks for, mined or waiting; null when the node does not know it. */
  transaction(transaction: string): Promise<EvmCall | null>;
  /** Whether the authorization is spent, by use or by cancellation, in the state after that block. */
  isSpent(key: SpendingKey, at: bigint): Promise<boolean>;
  /** Token balance in atomic units in the state after that block. */
  balanceOf(asset: string, account: string, at: bigint): Promise<bigint>;
}

const hexSchema = z
  .string()
  .refine((text): text is Hex => isHex(text))
  .transform((text) => asHex(text.toLowerCase()));
const quantitySchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]+$/)
  .transform((text) => BigInt(text));
const indexSchema = quantitySchema.transform(Number);

const blockSchema = z
  .object({ number: quantitySchema, hash: hexSchema, timestamp: quantitySchema })
  .transform(({ number, hash, timestamp }) => ({
    number,
    hash,
    timestampMs: Number(timestamp) * 1_000,
  }));

const callSchema = z.object({ to: hexSchema.nullable(), input: hexSchema });

const logSchema = z
  .object({
    address: hexSchema,
    topics: z.array(hexSchema),
    data: hexSchema,
    blockNumber: quantitySchema,
    transactionHash: hexSchema,
    logIndex: indexSchema,
  })
  .transform(({ transactionHash, ...log }) => ({ ...log, transaction: transactionHash }));

const receiptSchema = z
  .object({
    status: quantitySchema,
    transactionHash: hexSchema,
    blockNumber: quantitySchema,
    blockHash: hexSchema,
    logs: z.array(logSchema),
  })
  .transform(({ status, transactionHash, ...receipt }) => ({
    ...receipt,
    succeeded: status === 1n,
    transaction: transactionHash,
  }));

/** A node behind a JSON-RPC URL. No call is repeated here: the settlement engine is the only owner of retries. */
export class JsonRpcNode implements EvmNode {
  readonly #client: ReturnType<typeof rpcClient>;

  /** @param signal ends all calls */
  constructor(rpcUrl: string, signal: AbortSignal) {
    this.#client = rpcClient(rpcUrl, signal);
  }

  async chainId(): Promise<number> {
    return indexSchema.parse(await this.#client.request({ method: "eth_chainId" }));
  }

  async block(at: bigint | "latest" | "finalized"): Promise<EvmBlock> {
    const answer = await this.#client.request({
      method: "eth_getBlockByNumber",
      params: [typeof at === "bigint" ? numberToHex(at) : at, false],
    });
    if (answer === null) throw new ChainUnavailableError("the node does not have the block");
    return blockSchema.parse(answer);
  }

  async logs({ address, topics, fromBlock, toBlock }: LogFilter): Promise<readonly EvmLog[]> {
    const answer = await this.#client.request({
      method: "eth_getLogs",
      params: [
        {
          address: asHex(address),
          topics: topics.map((topic) =>
            topic === null || typeof topic === "string" ? topic : [...topic],
          ),
          fromBlock: numberToHex(fromBlock),
          toBlock: numberToHex(toBlock),
        },
      ],
    });
    return z.array(logSchema).parse(answer);
  }

  async receipt(transaction: string): Promise<EvmReceipt | null> {
    if (!isHash(transaction)) return null;
    const answer = await this.#client.request({
      method: "eth_getTransactionReceipt",
      params: [transaction],
    });
    return receiptSchema.nullable().parse(answer);
  }

  async transaction(transaction: string): Promise<EvmCall | null> {
    if (!isHash(transaction)) return null;
    const answer = await this.#client.request({
      method: "eth_getTransactionByHash",
      params: [transaction],
    });
    return callSchema.nullable().parse(answer);
  }

  async isSpent(key: SpendingKey, at: bigint): Promise<boolean> {
    const { asset, payer, nonce } = key;
    if (key.transferMethod === "permit2") return await this.#isPermitSpent(key, at);
    const functionName = "authorizationState";
    const args = [asHex(payer), asHex(nonce)] as const;
    const data = encodeFunctionData({ abi: eip3009Abi, functionName, args });
    const answer = await this.#call(asset, data, numberToHex(at));
    return decodeFunctionResult({ abi: eip3009Abi, functionName, data: answer });
  }

  async #isPermitSpent({ payer, nonce }: SpendingKey, at: bigint): Promise<boolean> {
    const { word, bit } = noncePlace(nonce);
    const functionName = "nonceBitmap";
    const data = encodeFunctionData({ abi: permit2Abi, functionName, args: [asHex(payer), word] });
    const answer = await this.#call(PERMIT2_ADDRESS, data, numberToHex(at));
    return (decodeFunctionResult({ abi: permit2Abi, functionName, data: answer }) & bit) !== 0n;
  }

  async balanceOf(asset: string, account: string, at: bigint): Promise<bigint> {
    const functionName = "balanceOf";
    const data = encodeFunctionData({ abi: eip3009Abi, functionName, args: [asHex(account)] });
    const answer = await this.#call(asset, data, numberToHex(at));
    return decodeFunctionResult({ abi: eip3009Abi, functionName, data: answer });
  }

  async #call(to: string, data: Hex, at: Hex): Promise<Hex> {
    const answer = await this.#client.request({
      method: "eth_call",
      params: [{ to: asHex(to), data }, at],
    });
    return hexSchema.parse(answer);
  }
}

function rpcClient(rpcUrl: string, signal: AbortSignal) {
  return createClient({
    transport: http(rpcUrl, {
      fetchOptions: { signal },
      retryCount: 0,
      timeout: RPC_TIMEOUT_MS,
      maxResponseBodySize: RPC_BODY_MAX_BYTES,
    }),
  });
}
