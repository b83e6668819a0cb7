import type { Authorization } from "../settlement/authorization.ts";
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
  /** Token balance in atomic units; null when the node could not say. */
  balanceOf(asset: string, account: string): Promise<bigint | null>;
}
