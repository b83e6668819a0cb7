import { blockBefore } from "./authorization-search.ts";
import { confirmedBlock, namedTransfer, transfersTo } from "./deposit-search.ts";
import type { EvmNode } from "./evm-node.ts";
import type { DepositReader } from "./port.ts";

/**
 * Reads what accounts received. A question that the node could not answer is answered with null.
 * @param ask puts a question to a node, within its time; rejects when that fails
 * @param confirmations blocks on top before something counts as lasting
 */
export function evmDepositReader(
  ask: <Answer>(question: (node: EvmNode) => Promise<Answer>) => Promise<Answer>,
  confirmations: number,
): DepositReader {
  async function orNull<Answer>(
    question: (node: EvmNode) => Promise<Answer>,
  ): Promise<Answer | null> {
    try {
      return await ask(question);
    } catch {
      return null;
    }
  }

  return {
    balanceOf(asset, account) {
      return orNull(async (node) => {
        const blockNumber = confirmedBlock(await node.block("latest"), confirmations);
        const balanceAtomic = await node.balanceOf(asset, account, blockNumber);
        return { balanceAtomic, blockNumber };
      });
    },
    transfersTo(asset, account, range) {
      return orNull((node) => transfersTo(node, asset, account, range));
    },
    blockBefore(timestampMs) {
      return orNull(async (node) => blockBefore(node, await node.block("latest"), timestampMs));
    },
    async namedTransfer(log) {
      const named = await orNull((node) => namedTransfer(node, log, confirmations));
      return named ?? { found: "unavailable" };
    },
  };
}
