import type { Authorization } from "../settlement/authorization.ts";
import type { IncomingTransfer } from "../settlement/deposit.ts";
import type { AuthorizationEvidence, ConfirmationEvidence } from "../settlement/evidence.ts";

/** Reads of one chain. Calls never throw: a node that fails is `unavailable`, which proves nothing. */
export interface ChainReader {
  /**
   * Looks for what became of an authorization in blocks from `notBeforeMs` (the claim) on.
   * The log range asked of the node is bounded; see `chain/authorization-search.ts`.
   */
  findAuthorization(
    authorization: Authorization,
    notBeforeMs: number,
  ): Promise<AuthorizationEvidence>;
  /** Checks a settlement that a facilitator or an earlier look reported. */
  confirmTransfer(
    authorization: Authorization,
    transaction: string,
    notBeforeMs: number,
  ): Promise<ConfirmationEvidence>;
}

export interface AccountBalance {
  readonly balanceAtomic: bigint;
  /** The block after which the account held it. */
  readonly blockNumber: bigint;
}

export interface TransferScan {
  readonly transfers: readonly IncomingTransfer[];
  /** The last block that was searched; before the first when none was. */
  readonly searchedTo: bigint;
}

/** A log of which somebody says that it is a transfer. */
export interface NamedLog {
  readonly asset: string;
  readonly payee: string;
  readonly transaction: string;
  readonly logIndex: number;
}

export type NamedTransfer =
  | { readonly found: "confirmed"; readonly transfer: IncomingTransfer }
  /** It is not there, or not to that payee, or not deep enough yet. */
  | { readonly found: "missing" }
  | { readonly found: "unavailable" };

/** Reads what an account received, as deep in the chain as settlements are confirmed. Calls never throw. */
export interface DepositReader {
  /** Null when the node could not say. */
  balanceOf(asset: string, account: string): Promise<AccountBalance | null>;
  /** Transfers to an account, in as many blocks as one question can search; null when the node could not say. */
  transfersTo(
    asset: string,
    account: string,
    range: { readonly fromBlock: bigint; readonly toBlock: bigint },
  ): Promise<TransferScan | null>;
  /** A block before all blocks of this time and later; null when the node could not say. */
  blockBefore(timestampMs: number): Promise<bigint | null>;
  namedTransfer(log: NamedLog): Promise<NamedTransfer>;
}
