/**
 * What the chain can prove about one authorization. The core decides on these facts only; reading them is the job
 * of `chain/`.
 */

/** The one log that proves a settlement. Used for one payment only: (network, transaction, logIndex) is unique. */
export interface TransferEvidence {
  /** Transaction hash, lower-case hex. */
  readonly transaction: string;
  /** Index of the Transfer log within its block. */
  readonly logIndex: number;
  readonly blockNumber: bigint;
  /** Lower-case hex. A different hash at the same height later means a reorganisation. */
  readonly blockHash: string;
  readonly blockTimestampMs: number;
}

/** What a look at the chain found out about an authorization. */
export type AuthorizationEvidence =
  /** Used, with the matching Transfer(from, payTo, amount) as the token's next log, in a block after the claim. */
  | { readonly found: "transfer"; readonly transfer: TransferEvidence }
  /** The payer cancelled it; it can never land. */
  | { readonly found: "canceled"; readonly transaction: string }
  /**
   * Used, but not for the transfer we asked for (or before our claim): an operator must look. The transaction is null
   * where the chain does not tell which one used it.
   */
  | { readonly found: "used_otherwise"; readonly transaction: string | null }
  /** Not used, and a finalized block is already past validBefore: it can never land. */
  | { readonly found: "expired"; readonly finalizedBlockTimestampMs: number }
  /** Not used so far and still able to land. */
  | { readonly found: "unused" }
  /** The chain could not be asked (no RPC, an error, a lagging node): proves nothing. */
  | { readonly found: "unavailable"; readonly reason: string };

/** Whether a settlement that was recorded is still on the chain, deep enough. */
export type ConfirmationEvidence =
  /** The transfer is there, with at least the configured number of blocks on top. */
  | { readonly found: "confirmed"; readonly transfer: TransferEvidence }
  /** The transfer is there but not deep enough yet. */
  | { readonly found: "shallow"; readonly confirmations: number }
  /** The node has passed the time of the claim and no such transfer is there. */
  | { readonly found: "missing" }
  | { readonly found: "unavailable"; readonly reason: string };
