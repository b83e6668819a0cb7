/**
 * What a chain proves about an authorization (design: states). The rules, to the letter:
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
import type { Authorization } from "../settlement/authorization.ts";
import type {
  AuthorizationEvidence,
  ConfirmationEvidence,
  TransferEvidence,
} from "../settlement/evidence.ts";
import { blockBefore, searchBackward, searchForward } from "./authorization-search.ts";
import type { EvmBlock, EvmNode, EvmReceipt } from "./evm-node.ts";
import { ChainUnavailableError } from "./rpc-failure.ts";
import { type EvmLog, findSettlementTransfer, isCancellation } from "./settlement-logs.ts";

/** How far a block's timestamp may lie before the claim that it came after: clocks of edges and block producers. */
const CLOCK_SKEW_MAX_MS = 60_000;

/** How far beyond the claim the node's blocks must reach before a transfer that is not there counts as missing. */
const MISSING_GRACE_MS = 30_000;
/** A node whose newest block is older than this has stopped following its chain. */
const HEAD_AGE_MAX_MS = 60_000;

/** One question to the chain. */
export interface EvidenceQuery {
  readonly authorization: Authorization;
  /** When the payment was claimed, milliseconds since the epoch. */
  readonly notBeforeMs: number;
  /** Blocks on top before something counts as lasting. */
  readonly confirmations: number;
}

/** @throws whatever the node throws, and ChainUnavailableError when its answers do not decide the question. */
export async function findAuthorization(
  node: EvmNode,
  query: EvidenceQuery,
): Promise<AuthorizationEvidence> {
  const { authorization, notBeforeMs } = query;
  const head = await node.block("latest");
  const firstBlock = await blockBefore(node, head, notBeforeMs - CLOCK_SKEW_MAX_MS);
  const landing = await searchForward(
    node,
    authorization,
    firstBlock,
    head,
    authorization.validBeforeMs,
  );
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
  const earlier = await searchBackward(node, authorization, firstBlock);
  if (earlier !== null) return judge(node, query, head, earlier);
  const later = await searchForward(
    node,
    authorization,
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
  if (receipt === null && (await node.knowsTransaction(transaction))) {
    return { found: "shallow", confirmations: 0 };
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

/** The evidence in a transaction, if it is there, after the claim. */
async function transferIn(
  node: EvmNode,
  { authorization, notBeforeMs }: EvidenceQuery,
  receipt: EvmReceipt,
): Promise<TransferEvidence | null> {
  if (!receipt.succeeded) return null;
  const log = findSettlementTransfer(receipt.logs, authorization);
  if (log === null) return null;
  const block = await node.block(receipt.blockNumber);
  if (block.hash !== receipt.blockHash) {
    throw new ChainUnavailableError("the chain is being reorganised");
  }
  if (block.timestampMs < notBeforeMs - CLOCK_SKEW_MAX_MS) return null;
  return {
    transaction: receipt.transaction,
    logIndex: log.logIndex,
    blockNumber: receipt.blockNumber,
    blockHash: receipt.blockHash,
    blockTimestampMs: block.timestampMs,
  };
}

/** Blocks on top of a block. The head may have been read before the block was mined. */
function depth(head: EvmBlock, blockNumber: bigint): number {
  return Math.max(0, Number(head.number - blockNumber));
}
