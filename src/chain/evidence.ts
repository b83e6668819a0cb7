/**
 * What a chain proves about an authorization (design: states). The rules for EIP-3009, to the letter (Permit2 has its
 * own, in `permit2-evidence.ts`):
 *
 * - Settled is a Transfer(payer, payee, amount) that is the token's next log after this authorization's
 *   AuthorizationUsed, in the same transaction, in a block after the claim. A spent nonce alone proves nothing.
 * - Cancelled is an AuthorizationCanceled at the depth at which settlements are confirmed: one that a
 *   reorganisation can take back does not stop the authorization from landing.
 * - Expired is a nonce unspent in the state of a finalized block whose timestamp is at or past validBefore, and no
 *   log that says otherwise. Such a block is its own proof: a node that lags behind has an older finalized block and
 *   so proves nothing yet, and this machine's clock is not asked.
 *
 * Reverted transactions have no logs and so are nothing.
 */
import type { AuthorizationEvidence, ConfirmationEvidence } from "../settlement/evidence.ts";
import { blockBefore, searchBackward, searchForward, spendingLog } from "./authorization-search.ts";
import type { EvmBlock, EvmNode } from "./evm-node.ts";
import { findPermit } from "./permit2-evidence.ts";
import { ChainUnavailableError } from "./rpc-failure.ts";
import { type EvmLog, isCancellation } from "./settlement-logs.ts";
import { CLOCK_SKEW_MAX_MS, type EvidenceQuery, transferIn } from "./transfer-evidence.ts";

/** How far beyond the claim the node's blocks must reach before a transfer that is not there counts as missing. */
const MISSING_GRACE_MS = 30_000;
/** A node whose newest block is older than this has stopped following its chain. */
const HEAD_AGE_MAX_MS = 60_000;

/** @throws whatever the node throws, and ChainUnavailableError when its answers do not decide the question. */
export async function findAuthorization(
  node: EvmNode,
  query: EvidenceQuery,
): Promise<AuthorizationEvidence> {
  const { authorization, notBeforeMs } = query;
  if (authorization.transferMethod === "permit2") return await findPermit(node, query);
  const search = spendingLog(node, authorization);
  const head = await node.block("latest");
  const firstBlock = await blockBefore(node, head, notBeforeMs - CLOCK_SKEW_MAX_MS);
  const landing = await searchForward(node, search, firstBlock, head, authorization.validBeforeMs);
  if (landing.log !== null) return judge(node, query, head, landing.log);

  const finalized =
    head.timestampMs >= authorization.validBeforeMs ? await node.block("finalized") : null;
  const pastExpiry =
    finalized !== null && finalized.timestampMs >= authorization.validBeforeMs ? finalized : null;
  if (!(await node.isSpent(authorization, (pastExpiry ?? head).number))) {
    return pastExpiry === null
      ? { found: "unused" }
      : { found: "expired", finalizedBlockTimestampMs: pastExpiry.timestampMs };
  }

  // Spent, but not in the time in which it could settle this payment: before the claim, or cancelled after expiry.
  const earlier = await searchBackward(search, firstBlock);
  if (earlier !== null) return judge(node, query, head, earlier);
  const later = await searchForward(
    node,
    search,
    landing.searchedTo + 1n,
    head,
    Number.POSITIVE_INFINITY,
  );
  if (later.log !== null) return judge(node, query, head, later.log);
  throw new ChainUnavailableError("the authorization is spent, and its log is out of reach");
}

/**
 * Whether a settlement is on the chain, at whatever transaction: a facilitator may have replaced the one it named.
 * @throws like `findAuthorization`.
 */
export async function confirmTransfer(
  node: EvmNode,
  query: EvidenceQuery,
  transaction: string,
  nowMs: number,
): Promise<ConfirmationEvidence> {
  const receipt = await node.receipt(transaction);
  const named = receipt === null ? null : await transferIn(node, query, receipt);
  const evidence: AuthorizationEvidence =
    named === null ? await findAuthorization(node, query) : { found: "transfer", transfer: named };
  if (evidence.found === "unavailable") return evidence;
  const head = await node.block("latest");
  if (evidence.found === "transfer") {
    const confirmations = depth(head, evidence.transfer.blockNumber);
    return confirmations >= query.confirmations
      ? { found: "confirmed", transfer: evidence.transfer }
      : { found: "shallow", confirmations };
  }
  if (receipt === null && (await node.transaction(transaction)) !== null) {
    return { found: "shallow", confirmations: 0 };
  }
  if (evidence.found === "used_otherwise" && evidence.transaction === null) {
    return { found: "unavailable", reason: "what spent the authorization can't be read" };
  }
  return missing(head, query.notBeforeMs, nowMs);
}

/**
 * A transfer that a node does not show is missing only when the node is known to have seen enough: it follows the
 * chain, and is well past the claim. Before that it may just be behind the facilitator's node. Pure.
 */
export function missing(
  head: Pick<EvmBlock, "timestampMs">,
  notBeforeMs: number,
  nowMs: number,
): ConfirmationEvidence {
  if (head.timestampMs < nowMs - HEAD_AGE_MAX_MS) {
    return { found: "unavailable", reason: "the node's newest block is old" };
  }
  if (head.timestampMs < notBeforeMs + MISSING_GRACE_MS) {
    return { found: "unavailable", reason: "too early to miss the transfer" };
  }
  return { found: "missing" };
}

async function judge(
  node: EvmNode,
  query: EvidenceQuery,
  head: EvmBlock,
  log: EvmLog,
): Promise<AuthorizationEvidence> {
  if (isCancellation(log)) {
    return depth(head, log.blockNumber) >= query.confirmations
      ? { found: "canceled", transaction: log.transaction }
      : { found: "unavailable", reason: "the cancellation is not deep enough yet" };
  }
  const receipt = await node.receipt(log.transaction);
  if (receipt === null) throw new ChainUnavailableError("the chain is being reorganised");
  const transfer = await transferIn(node, query, receipt);
  return transfer === null
    ? { found: "used_otherwise", transaction: log.transaction }
    : { found: "transfer", transfer };
}

/** Blocks on top of a block. The head may have been read before the block was mined. */
function depth(head: EvmBlock, blockNumber: bigint): number {
  return Math.max(0, Number(head.number - blockNumber));
}
