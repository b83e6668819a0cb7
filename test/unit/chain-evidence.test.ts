import { type Hex, pad, toEventSelector, toHex } from "viem";
import { describe, expect, it } from "vitest";
import type { EvmNode } from "../../src/chain/evm-node.ts";
import { confirmTransfer, findAuthorization, missing } from "../../src/chain/evidence.ts";
import type { EvmLog } from "../../src/chain/settlement-logs.ts";
import type { EvidenceQuery } from "../../src/chain/transfer-evidence.ts";

/*
 * A chain in memory, for what a real one does not do on demand: lag, reorganise between two questions, lose logs,
 * have a long history. What a healthy chain says is tested on a real one (test/e2e/chain-evidence.test.ts).
 */
const GENESIS_MS = 1_700_000_000_000;
const BLOCK_MS = 2_000;
const TOKEN = "0x036cbd53842c5426634e7929541ec2318f3dcf7e";
const PAYER = "0x00000000000000000000000000000000000000aa";
const PAYEE = "0x00000000000000000000000000000000000000bb";
const NONCE = toHex(1, { size: 32 });
const TRANSACTION = toHex(0xabc, { size: 32 });

const timeOf = (blockNumber: number) => GENESIS_MS + blockNumber * BLOCK_MS;
const hashOf = (blockNumber: bigint) => toHex(blockNumber, { size: 32 });

interface MemoryChain {
  readonly head: number;
  readonly finalized?: number;
  /** Block of the spending log, and what it is. */
  readonly spent?: { readonly block: number; readonly by: "transfer" | "cancellation" | "other" };
  readonly logsLost?: boolean;
  readonly receiptLost?: boolean;
  readonly reverted?: boolean;
  readonly orphaned?: boolean;
  readonly waiting?: boolean;
}

function memoryNode(chain: MemoryChain): EvmNode & { readonly asked: string[] } {
  const asked: string[] = [];
  const logs = spendingLogs(chain);
  return {
    asked,
    async chainId() {
      return 84_532;
    },
    async block(at) {
      asked.push("block");
      const number =
        at === "latest" ? chain.head : at === "finalized" ? (chain.finalized ?? 0) : Number(at);
      return { number: BigInt(number), hash: hashOf(BigInt(number)), timestampMs: timeOf(number) };
    },
    async logs({ fromBlock, toBlock }) {
      asked.push("logs");
      return chain.logsLost === true
        ? []
        : logs.filter(({ blockNumber: at }) => at >= fromBlock && at <= toBlock).slice(0, 1);
    },
    async receipt(transaction) {
      asked.push("receipt");
      const log = logs[0];
      if (transaction !== TRANSACTION || log === undefined || chain.receiptLost === true)
        return null;
      return {
        succeeded: chain.reverted !== true,
        transaction: TRANSACTION,
        blockNumber: log.blockNumber,
        blockHash: chain.orphaned === true ? hashOf(0n) : hashOf(log.blockNumber),
        logs: chain.reverted === true ? [] : logs,
      };
    },
    async transaction() {
      return chain.waiting === true ? { to: null, input: "0x" } : null;
    },
    async isSpent(_key, at) {
      return chain.spent !== undefined && at >= BigInt(chain.spent.block);
    },
    async balanceOf() {
      return 0n;
    },
  };
}

function spendingLogs({ spent }: MemoryChain): EvmLog[] {
  if (spent === undefined) return [];
  const log = (logIndex: number, topics: Hex[], data: Hex = "0x"): EvmLog => ({
    address: TOKEN,
    topics,
    data,
    blockNumber: BigInt(spent.block),
    transaction: TRANSACTION,
    logIndex,
  });
  const event = spent.by === "cancellation" ? "AuthorizationCanceled" : "AuthorizationUsed";
  const logs = [log(3, [toEventSelector(`${event}(address,bytes32)`), pad(PAYER), NONCE])];
  if (spent.by === "transfer") {
    const topics = [toEventSelector("Transfer(address,address,uint256)"), pad(PAYER), pad(PAYEE)];
    logs.push(log(4, topics, toHex(1_000n, { size: 32 })));
  }
  return logs;
}

function claimedAtBlock(block: number, validForBlocks = 150): EvidenceQuery {
  return {
    authorization: {
      network: "eip155:84532",
      asset: TOKEN,
      payer: PAYER,
      payee: PAYEE,
      amountAtomic: 1_000n,
      nonce: NONCE,
      validAfterMs: 0,
      validBeforeMs: timeOf(block + validForBlocks),
    },
    notBeforeMs: timeOf(block),
    confirmations: 3,
  };
}

/** The clock skew that is tolerated, in blocks. */
const SKEW_BLOCKS = 30;

describe("looking for an authorization", () => {
  it("asks a handful of questions, however long the chain", async () => {
    const node = memoryNode({ head: 40_000_000 });
    expect(await findAuthorization(node, claimedAtBlock(39_999_900))).toEqual({ found: "unused" });
    expect(node.asked.length).toBeLessThanOrEqual(3);
  });

  it("finds a settlement days later in a few dozen questions", async () => {
    const claimed = 39_000_000;
    const node = memoryNode({
      head: claimed + 500_000,
      finalized: claimed + 499_000,
      spent: { block: claimed + 120, by: "transfer" },
    });
    expect(await findAuthorization(node, claimedAtBlock(claimed))).toMatchObject({
      found: "transfer",
      transfer: { blockNumber: BigInt(claimed + 120), logIndex: 4 },
    });
    expect(node.asked.length).toBeLessThanOrEqual(30);
  });

  it.each([1, 29, 999, 1_000, 1_001, 2_500, 63_999, 100_000])(
    "finds a settlement that followed a claim %i blocks ago at once",
    async (blocks) => {
      const claimed = 200_000 - blocks;
      const spent = { block: claimed + 1, by: "transfer" } as const;
      const node = memoryNode({ head: 200_000, finalized: 199_000, spent });
      const evidence = await findAuthorization(node, claimedAtBlock(claimed));
      expect(evidence.found).toBe("transfer");
    },
  );

  it("takes a transfer in a block that is at most the clock skew older than the claim", async () => {
    const claimed = 5_000;
    const at = (block: number) =>
      findAuthorization(
        memoryNode({ head: 5_010, spent: { block, by: "transfer" } }),
        claimedAtBlock(claimed),
      );
    expect((await at(claimed - SKEW_BLOCKS)).found).toBe("transfer");
    expect((await at(claimed - SKEW_BLOCKS - 1)).found).toBe("used_otherwise");
  });

  it("finds a use long before the claim, which pays for nothing", async () => {
    const node = memoryNode({ head: 50_000, spent: { block: 35_000, by: "transfer" } });
    expect(await findAuthorization(node, claimedAtBlock(49_990))).toEqual({
      found: "used_otherwise",
      transaction: TRANSACTION,
    });
  });

  it("believes a cancellation only when it is as deep as a settlement must be", async () => {
    const spent = { block: 5_000, by: "cancellation" } as const;
    const query = claimedAtBlock(4_990);
    const shallow = await findAuthorization(memoryNode({ head: 5_002, spent }), query);
    expect(shallow.found).toBe("unavailable");
    expect(await findAuthorization(memoryNode({ head: 5_003, spent }), query)).toEqual({
      found: "canceled",
      transaction: TRANSACTION,
    });
  });

  it("finds a cancellation that came after the authorization had expired", async () => {
    const node = memoryNode({
      head: 16_000,
      finalized: 15_900,
      spent: { block: 15_000, by: "cancellation" },
    });
    expect((await findAuthorization(node, claimedAtBlock(10_000))).found).toBe("canceled");
  });

  it("proves nothing by a spent nonce whose log is not to be found", async () => {
    const node = memoryNode({
      head: 5_000,
      spent: { block: 4_000, by: "transfer" },
      logsLost: true,
    });
    await expect(findAuthorization(node, claimedAtBlock(4_900))).rejects.toThrow("out of reach");
  });

  it("gives up on a range that is too long instead of asking for ever", async () => {
    const node = memoryNode({ head: 90_000 });
    await expect(findAuthorization(node, claimedAtBlock(1_000, 80_000))).rejects.toThrow(
      "no log in 20 ranges of 1000 blocks",
    );
  });
});

describe("expiry", () => {
  const query = claimedAtBlock(5_000, 100);

  it.each([
    ["the newest block is before validBefore", { head: 5_099, finalized: 5_098 }, "unused"],
    ["only blocks that are not final are past it", { head: 5_200, finalized: 5_099 }, "unused"],
    ["the node lags behind", { head: 4_000, finalized: 3_990 }, "unused"],
    ["a final block has the time of validBefore", { head: 5_101, finalized: 5_100 }, "expired"],
  ])("when %s is %3$s", async (_situation, chain, found) => {
    expect((await findAuthorization(memoryNode(chain), query)).found).toBe(found);
  });

  it("is not proved by a settlement's absence when the nonce is spent", async () => {
    const spent = { block: 5_050, by: "transfer" } as const;
    const node = memoryNode({ head: 6_000, finalized: 5_900, spent, logsLost: true });
    await expect(findAuthorization(node, query)).rejects.toThrow("out of reach");
  });
});

describe("confirming a settlement", () => {
  const query = claimedAtBlock(5_000);
  const spent = { block: 5_010, by: "transfer" } as const;
  const confirm = (chain: MemoryChain, transaction: Hex = TRANSACTION) =>
    confirmTransfer(memoryNode(chain), query, transaction, timeOf(chain.head));

  it("takes the configured number of blocks on top", async () => {
    expect(await confirm({ head: 5_010, spent })).toEqual({ found: "shallow", confirmations: 0 });
    expect(await confirm({ head: 5_012, spent })).toEqual({ found: "shallow", confirmations: 2 });
    expect(await confirm({ head: 5_013, spent })).toMatchObject({ found: "confirmed" });
  });

  it("follows a transaction that was replaced by another", async () => {
    const evidence = await confirm({ head: 5_020, spent }, toHex(0xdead, { size: 32 }));
    expect(evidence).toMatchObject({ found: "confirmed", transfer: { transaction: TRANSACTION } });
  });

  it("counts a transaction that still waits in the node's pool as shallow", async () => {
    const evidence = await confirm({ head: 5_100, waiting: true });
    expect(evidence).toEqual({ found: "shallow", confirmations: 0 });
  });

  it.each<[string, MemoryChain]>([
    ["is nowhere", { head: 5_100 }],
    ["did something else", { head: 5_100, spent: { block: 5_010, by: "other" } }],
    ["cancelled", { head: 5_100, spent: { block: 5_010, by: "cancellation" } }],
    ["paid before the claim", { head: 5_100, spent: { block: 4_000, by: "transfer" } }],
  ])("misses a transaction that %s", async (_situation, chain) => {
    expect(await confirm(chain)).toEqual({ found: "missing" });
  });

  it("misses a transaction that reverted, though its receipt is there", async () => {
    const chain = { head: 5_100, spent, reverted: true, logsLost: true };
    const node = { ...memoryNode(chain), isSpent: async () => false };
    expect(await confirmTransfer(node, query, TRANSACTION, timeOf(5_100))).toEqual({
      found: "missing",
    });
  });

  it.each([
    ["its receipt is gone", { receiptLost: true }],
    ["its block was replaced", { orphaned: true }],
  ])("waits when between two questions %s", async (_situation, fault) => {
    await expect(confirm({ head: 5_100, spent, ...fault })).rejects.toThrow("reorganised");
  });
});

describe("a transfer that is not there", () => {
  const CLAIMED_MS = timeOf(0);

  it.each([
    ["too early", 29_999, 29_999, "unavailable"],
    ["missing", 30_000, 30_000, "missing"],
    ["missing, though the node is a minute behind", 30_000, 90_000, "missing"],
    ["unavailable, when the node stopped following", 30_000, 90_001, "unavailable"],
    ["missing, when the chain's clock is ahead of ours", 90_000, 1_000, "missing"],
  ])("is %s", (_verdict, headAgeMs, nowAgeMs, found) => {
    const head = { timestampMs: CLAIMED_MS + headAgeMs };
    expect(missing(head, CLAIMED_MS, CLAIMED_MS + nowAgeMs).found).toBe(found);
  });
});
