/**
 * What a token's logs say about one authorization. Pure: the one place that knows which events, in which order, are
 * a settlement.
 */
import { type Hex, isHex, pad, slice, toEventSelector, toHex } from "viem";
import type { Authorization } from "../settlement/authorization.ts";
import type { IncomingTransfer } from "../settlement/deposit.ts";
import { asHex } from "./hex.ts";

const AUTHORIZATION_USED = toEventSelector("AuthorizationUsed(address,bytes32)");
const AUTHORIZATION_CANCELED = toEventSelector("AuthorizationCanceled(address,bytes32)");
const TRANSFER = toEventSelector("Transfer(address,address,uint256)");

/** A log as it sits in its block; hex is lower-case. */
export interface EvmLog {
  /** Contract that emitted it. */
  readonly address: Hex;
  readonly topics: readonly Hex[];
  readonly data: Hex;
  readonly blockNumber: bigint;
  /** Transaction hash. */
  readonly transaction: Hex;
  /** Index within the block. */
  readonly logIndex: number;
}

/** `eth_getLogs` topics of the two events that spend an authorization. */
export function spendingTopics(
  authorization: Pick<Authorization, "payer" | "nonce">,
): readonly (Hex | readonly Hex[])[] {
  return [
    [AUTHORIZATION_USED, AUTHORIZATION_CANCELED],
    addressTopic(authorization.payer),
    asHex(authorization.nonce),
  ];
}

/** Of a log found by `spendingTopics`: whether it is a cancellation, and not a use. */
export function isCancellation(log: Pick<EvmLog, "topics">): boolean {
  return log.topics[0] === AUTHORIZATION_CANCELED;
}

/** `eth_getLogs` topics of all transfers to an account. */
export function transferTopics(account: string): readonly (Hex | readonly Hex[] | null)[] {
  return [TRANSFER, null, addressTopic(account)];
}

/** `eth_getLogs` topics of all transfers from an authorization's payer to its payee. */
export function paymentTopics({
  payer,
  payee,
}: Pick<Authorization, "payer" | "payee">): readonly Hex[] {
  return [TRANSFER, addressTopic(payer), addressTopic(payee)];
}

/** A log as the transfer to an account that it is; null when it is none. */
export function transferTo(account: string, log: EvmLog): IncomingTransfer | null {
  const [event, payer, payee] = log.topics;
  const isTransfer =
    event === TRANSFER && payee === addressTopic(account) && log.topics.length === 3;
  if (!isTransfer || payer === undefined || !isHex(log.data) || log.data.length !== 66) return null;
  return {
    payer: slice(payer, 12),
    amountAtomic: BigInt(log.data),
    transaction: log.transaction,
    logIndex: log.logIndex,
    blockNumber: log.blockNumber,
  };
}

/**
 * The Transfer that settled an authorization, in the logs of one transaction; null when there is none.
 *
 * One transaction may settle many authorizations, even several of one payer over one amount, so a matching Transfer
 * somewhere in it proves nothing. The token emits AuthorizationUsed and the Transfer of that same authorization
 * back to back; therefore only the token's very next log counts. Other contracts' logs may lie between them.
 */
export function findSettlementTransfer(
  logs: readonly EvmLog[],
  authorization: Authorization,
): EvmLog | null {
  const tokenLogs = logs
    .filter(({ address }) => address === authorization.asset)
    .toSorted((left, right) => left.logIndex - right.logIndex);
  const usedAt = tokenLogs.findIndex((log) =>
    hasTopics(log, [
      AUTHORIZATION_USED,
      addressTopic(authorization.payer),
      asHex(authorization.nonce),
    ]),
  );
  if (usedAt === -1) return null;
  const next = tokenLogs[usedAt + 1];
  return next !== undefined && isPaymentOf(next, authorization) ? next : null;
}

/** All transfers of a transaction that are of this authorization's amount, from its payer to its payee. */
export function findPaymentLogs(logs: readonly EvmLog[], authorization: Authorization): EvmLog[] {
  return logs.filter(
    (log) => log.address === authorization.asset && isPaymentOf(log, authorization),
  );
}

function isPaymentOf(log: EvmLog, authorization: Authorization): boolean {
  return (
    hasTopics(log, [
      TRANSFER,
      addressTopic(authorization.payer),
      addressTopic(authorization.payee),
    ]) && log.data === toHex(authorization.amountAtomic, { size: 32 })
  );
}

function hasTopics(log: EvmLog, topics: readonly Hex[]): boolean {
  return (
    log.topics.length === topics.length &&
    topics.every((topic, index) => topic === log.topics[index])
  );
}

function addressTopic(address: string): Hex {
  return pad(asHex(address), { size: 32 });
}
