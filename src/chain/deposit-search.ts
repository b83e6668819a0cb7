/** Finds what an account received, with a bounded number of bounded questions. */
import type { NamedLog, NamedTransfer, TransferScan } from "./port.ts";
import { LOG_RANGE_BLOCKS } from "./authorization-search.ts";
import type { EvmBlock, EvmNode } from "./evm-node.ts";
import { isTooMuchAtOnce } from "./rpc-failure.ts";
import { type EvmLog, transferTo, transferTopics } from "./settlement-logs.ts";

/** Log questions of one scan: 10,000 quiet blocks, which a node answers within a few seconds. */
const LOG_QUESTIONS_MAX = 10;
/** A busy account has thousands of transfers in a range: a scan ends early then, and goes on another time. */
const TRANSFERS_MAX = 5_000;
/** When a node refuses a range as too much, a quarter of it is asked for: from 1,000 blocks to one in five steps. */
const RANGE_DIVISOR = 4n;

/** The newest block that is as deep as settlements are confirmed at. */
export function confirmedBlock(head: Pick<EvmBlock, "number">, confirmations: number): bigint {
  const depth = BigInt(confirmations);
  return head.number > depth ? head.number - depth : 0n;
}

/** @throws whatever the node throws, unless a smaller range may help */
export async function transfersTo(
  node: EvmNode,
  asset: string,
  account: string,
  { fromBlock, toBlock }: { readonly fromBlock: bigint; readonly toBlock: bigint },
): Promise<TransferScan> {
  const found: EvmLog[] = [];
  let from = fromBlock;
  let span = LOG_RANGE_BLOCKS;
  for (let asked = 0; asked < LOG_QUESTIONS_MAX && from <= toBlock; asked += 1) {
    const to = from + span - 1n < toBlock ? from + span - 1n : toBlock;
    const topics = transferTopics(account);
    try {
      found.push(...(await node.logs({ address: asset, topics, fromBlock: from, toBlock: to })));
      from = to + 1n;
    } catch (error) {
      if (span === 1n || !isTooMuchAtOnce(error)) throw error;
      span = span > RANGE_DIVISOR ? span / RANGE_DIVISOR : 1n;
    }
    if (found.length >= TRANSFERS_MAX) break;
  }
  return {
    transfers: found.flatMap((log) => transferTo(account, log) ?? []),
    searchedTo: from - 1n,
  };
}

/** What a log is that somebody calls a transfer. @throws whatever the node throws */
export async function namedTransfer(
  node: EvmNode,
  { asset, payee, transaction, logIndex }: NamedLog,
  confirmations: number,
): Promise<NamedTransfer> {
  const receipt = await node.receipt(transaction);
  const log = receipt?.logs.find((candidate) => candidate.logIndex === logIndex);
  if (receipt?.succeeded !== true || log?.address !== asset) return { found: "missing" };
  const transfer = transferTo(payee, log);
  const head = await node.block("latest");
  return transfer !== null && receipt.blockNumber <= confirmedBlock(head, confirmations)
    ? { found: "confirmed", transfer }
    : { found: "missing" };
}
