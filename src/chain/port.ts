import type { Authorization } from "../settlement/authorization.ts";
import type { AuthorizationEvidence, TransferEvidence } from "../settlement/evidence.ts";

/** Whether a settlement that was recorded is still on the chain, deep enough. */
export type ConfirmationEvidence =
  /** The transfer is there, with at least the configured number of blocks on top. */
  | { readonly found: "confirmed"; readonly transfer: TransferEvidence }
  /** The transfer is there but not deep enough yet. */
  | { readonly found: "shallow"; readonly confirmations: number }
  /** The node has the block and no such transfer is in it: the word was wrong, or a reorganisation removed it. */
  | { readonly found: "missing" }
  | { readonly found: "unavailable"; readonly reason: string };

/** Reads of one chain. Calls never throw: a node that fails is `unavailable`, which proves nothing. */
export interface ChainReader {
  /**
   * Looks for what became of an authorization in blocks from `notBeforeMs` (the claim) on.
   * The log range asked of the node is bounded; see `chain/evidence.ts`.
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
  /** Token balance in atomic units; null when the node could not say. */
  balanceOf(asset: string, account: string): Promise<bigint | null>;
}
