/** The transfer that settled an authorization, in a transaction that is said to have made it. */
import type { Authorization } from "../settlement/authorization.ts";
import type { TransferEvidence } from "../settlement/evidence.ts";
import type { EvmNode, EvmReceipt } from "./evm-node.ts";
import { settlementOfCall } from "./permit2.ts";
import { ChainUnavailableError } from "./rpc-failure.ts";
import { type EvmLog, findPaymentLogs, findSettlementTransfer } from "./settlement-logs.ts";

/** How far a block's timestamp may lie before the claim that it came after: clocks of edges and block producers. */
export const CLOCK_SKEW_MAX_MS = 60_000;

/** One question to the chain. */
export interface EvidenceQuery {
  readonly authorization: Authorization;
  /** When the payment was claimed, milliseconds since the epoch. */
  readonly notBeforeMs: number;
  /** Blocks on top before something counts as lasting. */
  readonly confirmations: number;
}

/** The evidence in a transaction, if it is there, after the claim. */
export async function transferIn(
  node: EvmNode,
  { authorization, notBeforeMs }: EvidenceQuery,
  receipt: EvmReceipt,
): Promise<TransferEvidence | null> {
  if (!receipt.succeeded) return null;
  const log =
    authorization.transferMethod === "permit2"
      ? await permitTransfer(node, authorization, receipt)
      : findSettlementTransfer(receipt.logs, authorization);
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

/**
 * Permit2 logs no nonce, so the call has to say that it settles this one; and since it makes one transfer, so must the
 * logs.
 */
async function permitTransfer(
  node: EvmNode,
  authorization: Authorization,
  { transaction, logs }: EvmReceipt,
): Promise<EvmLog | null> {
  const call = await node.transaction(transaction);
  const settlement = call === null ? null : settlementOfCall(call);
  const isThis =
    settlement !== null &&
    settlement.token === authorization.asset &&
    settlement.payer === authorization.payer &&
    settlement.payee === authorization.payee &&
    settlement.nonce === authorization.nonce &&
    settlement.amountAtomic === authorization.amountAtomic;
  const [transfer, ...others] = isThis ? findPaymentLogs(logs, authorization) : [];
  return transfer === undefined || others.length > 0 ? null : transfer;
}
