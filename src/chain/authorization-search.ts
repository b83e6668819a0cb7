/**
 * Finds the log that spent an authorization, with a bounded number of bounded questions: nodes limit the range of
 * `eth_getLogs`, and the search runs again and again for as long as a settlement is unknown.
 */
import type { Authorization } from "../settlement/authorization.ts";
import type { EvmBlock, EvmNode } from "./evm-node.ts";
import { ChainUnavailableError } from "./rpc-failure.ts";
import { type EvmLog, spendingTopics } from "./settlement-logs.ts";

/** Blocks of one `eth_getLogs`: what public nodes commonly allow, and 33 minutes of a chain with 2 s blocks. */
export const LOG_RANGE_BLOCKS = 1_000n;
/**
 * Ranges searched in one direction: 20,000 blocks. An authorization lives for minutes, so that even a chain with
 * four blocks a second needs one or two ranges for the time in which it can land.
 */
const LOG_RANGES_MAX = 20;

/** Looks for a log in a range of blocks, both ends included. */
export type SearchRange = (fromBlock: bigint, toBlock: bigint) => Promise<EvmLog | null>;

/** The log, or how far the search went without finding one. */
export type SearchResult =
  | { readonly log: EvmLog }
  | { readonly log: null; readonly searchedTo: bigint };

/**
 * The number of a block before all blocks of `timestampMs` and later, at most one log range too early (which costs
 * nothing). Strides back from the head, doubling, then bisects: one question for a recent time, and about two for
 * each doubling of the distance.
 */
export async function blockBefore(
  node: EvmNode,
  head: EvmBlock,
  timestampMs: number,
): Promise<bigint> {
  let after = head.number;
  let before = head.number;
  for (let stride = LOG_RANGE_BLOCKS - 1n; ; stride *= 2n) {
    before = head.number > stride ? head.number - stride : 0n;
    if (before === 0n || (await node.block(before)).timestampMs < timestampMs) break;
    after = before;
  }
  while (after - before > LOG_RANGE_BLOCKS) {
    const middle = (before + after) / 2n;
    if ((await node.block(middle)).timestampMs < timestampMs) before = middle;
    else after = middle;
  }
  return before;
}

/**
 * Searches onwards from a block until the log is found, the head is reached, or a block of `untilMs` or later is.
 * @throws ChainUnavailableError when the limit of ranges is reached before that.
 */
export async function searchForward(
  node: EvmNode,
  search: SearchRange,
  fromBlock: bigint,
  head: EvmBlock,
  untilMs: number,
): Promise<SearchResult> {
  let from = fromBlock;
  for (let ranges = 0; ranges < LOG_RANGES_MAX; ranges += 1) {
    if (from > head.number) return { log: null, searchedTo: head.number };
    const to =
      from + LOG_RANGE_BLOCKS - 1n < head.number ? from + LOG_RANGE_BLOCKS - 1n : head.number;
    const log = await search(from, to);
    if (log !== null) return { log };
    if (to === head.number || (await node.block(to)).timestampMs >= untilMs) {
      return { log: null, searchedTo: to };
    }
    from = to + 1n;
  }
  throw new ChainUnavailableError(
    `no log in ${LOG_RANGES_MAX} ranges of ${LOG_RANGE_BLOCKS} blocks`,
  );
}

/** Searches backwards from the block before `beforeBlock`, as far as the limit of ranges allows. */
export async function searchBackward(
  search: SearchRange,
  beforeBlock: bigint,
): Promise<EvmLog | null> {
  let to = beforeBlock - 1n;
  for (let ranges = 0; ranges < LOG_RANGES_MAX && to >= 0n; ranges += 1) {
    const from = to >= LOG_RANGE_BLOCKS ? to - LOG_RANGE_BLOCKS + 1n : 0n;
    const log = await search(from, to);
    if (log !== null) return log;
    to = from - 1n;
  }
  return null;
}

/** For the log that spent an authorization's nonce: there is one at most. */
export function spendingLog(node: EvmNode, authorization: Authorization): SearchRange {
  const topics = spendingTopics(authorization);
  return async (fromBlock, toBlock) => {
    const logs = await node.logs({ address: authorization.asset, topics, fromBlock, toBlock });
    return logs[0] ?? null;
  };
}
