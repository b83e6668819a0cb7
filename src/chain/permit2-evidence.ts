/**
 * What a chain proves about an authorization by Permit2, which keeps nonces as spent and logs nothing of them:
 *
 * - Settled is a call of an x402 proxy that names this nonce, and made the transfer that was asked for.
 * - Expired is a nonce unspent in the state of a finalized block that is past the deadline.
 * - A nonce that is spent without such a call may have been given up by its owner, or spent within another contract's
 *   call. Once it can't land any more, an operator has to look.
 */
import type { AuthorizationEvidence } from "../settlement/evidence.ts";
import { type SearchRange, blockBefore, searchForward } from "./authorization-search.ts";
import type { EvmNode } from "./evm-node.ts";
import { settlementOfCall } from "./permit2.ts";
import { ChainUnavailableError } from "./rpc-failure.ts";
import { findPaymentLogs, paymentTopics } from "./settlement-logs.ts";
import { CLOCK_SKEW_MAX_MS, type EvidenceQuery, transferIn } from "./transfer-evidence.ts";

/** Calls read for one question: payments of one payer to one tenant, of one amount, within the time of a permit. */
const CALLS_MAX = 100;

/** @throws like `findAuthorization` */
export async function findPermit(
  node: EvmNode,
  query: EvidenceQuery,
): Promise<AuthorizationEvidence> {
  const { authorization, notBeforeMs } = query;
  const { validBeforeMs } = authorization;
  const head = await node.block("latest");
  const isOver = head.timestampMs >= validBeforeMs;
  const finalized = isOver ? await node.block("finalized") : null;
  const pastExpiry =
    finalized !== null && finalized.timestampMs >= validBeforeMs ? finalized : null;
  if (!(await node.isSpent(authorization, (pastExpiry ?? head).number))) {
    return pastExpiry === null
      ? { found: "unused" }
      : { found: "expired", finalizedBlockTimestampMs: pastExpiry.timestampMs };
  }
  const firstBlock = await blockBefore(node, head, notBeforeMs - CLOCK_SKEW_MAX_MS);
  const search = settlingCall(node, query);
  const { log } = await searchForward(node, search, firstBlock, head, validBeforeMs);
  if (log !== null) {
    const receipt = await node.receipt(log.transaction);
    if (receipt === null) throw new ChainUnavailableError("the chain is being reorganised");
    const transfer = await transferIn(node, query, receipt);
    return transfer === null
      ? { found: "used_otherwise", transaction: log.transaction }
      : { found: "transfer", transfer };
  }
  if (isOver) return { found: "used_otherwise", transaction: null };
  throw new ChainUnavailableError("the nonce is spent, and no call that spent it is known");
}

/** Of the payer's transfers of this amount to the payee, the one whose call names the nonce. */
function settlingCall(node: EvmNode, { authorization }: EvidenceQuery): SearchRange {
  const { asset, payer, nonce } = authorization;
  const topics = paymentTopics(authorization);
  let calls = 0;
  return async (fromBlock, toBlock) => {
    const logs = await node.logs({ address: asset, topics, fromBlock, toBlock });
    for (const log of findPaymentLogs(logs, authorization)) {
      if (calls === CALLS_MAX) {
        throw new ChainUnavailableError(`more than ${CALLS_MAX} transfers to look through`);
      }
      calls += 1;
      const call = await node.transaction(log.transaction);
      const settlement = call === null ? null : settlementOfCall(call);
      if (settlement?.nonce === nonce && settlement.payer === payer) return log;
    }
    return null;
  };
}
