import type { NetworkConfig } from "../config.ts";
import type { Authorization } from "../settlement/authorization.ts";
import { evmChainId } from "./eip3009.ts";
import { confirmTransfer, findAuthorization } from "./evidence.ts";
import { evmDepositReader } from "./evm-deposit-reader.ts";
import { type EvmNode, JsonRpcNode } from "./evm-node.ts";
import type { ChainReader, DepositReader } from "./port.ts";
import { ChainUnavailableError, rpcFailureReason } from "./rpc-failure.ts";
import type { EvidenceQuery } from "./transfer-evidence.ts";

/** One question is a handful of calls, or a few dozen after a long outage; a slow node must not hold up the engine. */
const QUESTION_TIMEOUT_MS = 15_000;

/**
 * Reads an EVM chain through one JSON-RPC node. Every failure comes back as `unavailable` (or null), and the
 * reason does not contain the node's URL.
 * @param now the clock, milliseconds since the epoch
 */
export function evmChainReader(
  network: NetworkConfig,
  rpcUrl: string,
  now: () => number = Date.now,
): ChainReader & DepositReader {
  const chainId = evmChainId(network.caip2);
  let chainIdChecked = false;

  /**
   * Refuses a node of another chain. There every nonce is unused and every authorization of the past looks expired,
   * so that a wrong URL in the configuration would fail payments that were made.
   */
  async function connect(signal: AbortSignal): Promise<EvmNode> {
    const node = new JsonRpcNode(rpcUrl, signal);
    if (!chainIdChecked && (await node.chainId()) !== chainId) {
      throw new ChainUnavailableError("the node is of another chain");
    }
    chainIdChecked = true;
    return node;
  }

  /** Asks one question, which may take several calls, within its time. */
  async function ask<Answer>(question: (node: EvmNode) => Promise<Answer>): Promise<Answer> {
    // Not AbortSignal.timeout: its timer can't be cleared, and would keep a Durable Object awake after the answer.
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort(new DOMException("the question took too long", "TimeoutError"));
    }, QUESTION_TIMEOUT_MS);
    try {
      return await question(await connect(deadline.signal));
    } finally {
      clearTimeout(timer);
    }
  }

  function query(authorization: Authorization, notBeforeMs: number): EvidenceQuery {
    return { authorization, notBeforeMs, confirmations: network.confirmations };
  }

  return {
    async findAuthorization(authorization, notBeforeMs) {
      try {
        const asked = query(authorization, notBeforeMs);
        return await ask((node) => findAuthorization(node, asked));
      } catch (error) {
        return { found: "unavailable", reason: rpcFailureReason(error) };
      }
    },
    async confirmTransfer(authorization, transaction, notBeforeMs) {
      try {
        const asked = query(authorization, notBeforeMs);
        return await ask((node) => confirmTransfer(node, asked, transaction, now()));
      } catch (error) {
        return { found: "unavailable", reason: rpcFailureReason(error) };
      }
    },
    ...evmDepositReader(ask, network.confirmations),
  };
}
