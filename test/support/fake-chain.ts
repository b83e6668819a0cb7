/** A chain for the workers pool: JSON-RPC answers about balances and transfers; all else is out of reach. */
import { numberToHex, pad, toEventSelector } from "viem";
import { vi } from "vitest";
import * as z from "zod";

const CHAIN_ID = 84_532;
const TOKEN = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
const TRANSFER = toEventSelector("Transfer(address,address,uint256)");
const BALANCE_OF = "0x70a08231";
const BLOCK_TIME_SECONDS = 2n;

const blockTagSchema = z.union([
  z.enum(["latest", "finalized"]),
  z.string().transform((hex) => BigInt(hex)),
]);
const requestSchema = z.object({
  id: z.number(),
  method: z.string(),
  params: z.array(z.unknown()).default([]),
});
const blockParamsSchema = z.tuple([blockTagSchema, z.boolean()]);
const callParamsSchema = z.tuple([z.object({ data: z.string() }), z.unknown()]);
const logParamsSchema = z.tuple([
  z.object({
    topics: z.tuple([z.unknown(), z.unknown(), z.string()]),
    fromBlock: z.string().transform((hex) => BigInt(hex)),
    toBlock: z.string().transform((hex) => BigInt(hex)),
  }),
]);
const receiptParamsSchema = z.tuple([z.string()]);

/** A transfer of the token in a block of its own. */
export interface FakeTransfer {
  readonly payer: `0x${string}`;
  readonly payee: string;
  readonly amountAtomic: bigint;
  readonly transaction: string;
  readonly blockNumber: bigint;
}

/** Where every transfer's log lies in its block. */
export const FAKE_LOG_INDEX = 7;

export class FakeChain {
  /** What every account holds; null: the node does not say. */
  balanceAtomic: bigint | null = null;
  head = 1_000n;
  transfers: FakeTransfer[] = [];
  /** Most logs of one answer: a question that would get more is refused. */
  logsMax = Number.POSITIVE_INFINITY;
  /** Ranges of blocks that logs were asked of. */
  readonly logQuestions: (readonly [from: bigint, to: bigint])[] = [];

  /** Takes the place of the network until mocks are restored. */
  install(): void {
    this.balanceAtomic = null;
    this.head = 1_000n;
    this.transfers = [];
    this.logsMax = Number.POSITIVE_INFINITY;
    this.logQuestions.length = 0;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const request = new Request(input, init);
      if (request.method !== "POST") throw new Error("connection refused");
      const parsed = requestSchema.safeParse(await request.json());
      if (!parsed.success) throw new Error("connection refused");
      const { id, method, params } = parsed.data;
      return Response.json({ jsonrpc: "2.0", id, ...this.#answer(method, params) });
    });
  }

  #answer(method: string, params: readonly unknown[]): object {
    const unknown = { error: { code: -32_000, message: "not here" } };
    switch (method) {
      case "eth_chainId":
        return { result: numberToHex(CHAIN_ID) };
      case "eth_blockNumber":
        return { result: numberToHex(this.head) };
      case "eth_getBlockByNumber": {
        const [at] = blockParamsSchema.parse(params);
        return { result: this.#block(typeof at === "bigint" ? at : this.head) };
      }
      case "eth_call": {
        const [{ data }] = callParamsSchema.parse(params);
        return data.startsWith(BALANCE_OF) && this.balanceAtomic !== null
          ? { result: numberToHex(this.balanceAtomic, { size: 32 }) }
          : unknown;
      }
      case "eth_getLogs": {
        const [{ topics, fromBlock, toBlock }] = logParamsSchema.parse(params);
        this.logQuestions.push([fromBlock, toBlock]);
        const found = this.transfers.filter(
          ({ blockNumber, payee }) =>
            fromBlock <= blockNumber && blockNumber <= toBlock && asTopic(payee) === topics[2],
        );
        return found.length > this.logsMax
          ? { error: { code: -32_005, message: "query returned more than 1 results" } }
          : { result: found.map(asLog) };
      }
      case "eth_getTransactionReceipt": {
        const [hash] = receiptParamsSchema.parse(params);
        const transfer = this.transfers.find(({ transaction }) => transaction === hash);
        if (transfer === undefined) return { result: null };
        const { number, hash: blockHash } = this.#block(transfer.blockNumber);
        const receipt = { status: "0x1", transactionHash: hash, blockNumber: number, blockHash };
        return { result: { ...receipt, logs: [asLog(transfer)] } };
      }
      default:
        return unknown;
    }
  }

  #block(number: bigint) {
    const nowSeconds = BigInt(Math.floor(Date.now() / 1_000));
    const timestamp = nowSeconds - (this.head - number) * BLOCK_TIME_SECONDS;
    return {
      number: numberToHex(number),
      hash: numberToHex(number, { size: 32 }),
      timestamp: numberToHex(timestamp),
    };
  }
}

function asLog({ payer, payee, amountAtomic, transaction, blockNumber }: FakeTransfer) {
  return {
    address: TOKEN,
    topics: [TRANSFER, asTopic(payer), asTopic(payee)],
    data: numberToHex(amountAtomic, { size: 32 }),
    blockNumber: numberToHex(blockNumber),
    transactionHash: transaction,
    logIndex: numberToHex(FAKE_LOG_INDEX),
  };
}

function asTopic(address: string): string {
  return pad(`0x${address.slice(2)}`, { size: 32 });
}
