/** Money that was sent to a deposit account without being any payment: owed to whoever sent it. */

/** A Transfer log of the token, as the chain has it. Hex is lower-case. */
export interface IncomingTransfer {
  readonly payer: string;
  /** Atomic units; may be 0. */
  readonly amountAtomic: bigint;
  /** Transaction hash. */
  readonly transaction: string;
  /** Index of the log within its block. */
  readonly logIndex: number;
  readonly blockNumber: bigint;
}

/** A transfer that proves no payment. Booked once per log: (network, transaction, logIndex) is unique. */
export interface Deposit extends IncomingTransfer {
  readonly depositId: string;
  readonly network: string;
  readonly asset: string;
  readonly foundAtMs: number;
  /** The payment that it proved after all, which then has it in its own posting; null as long as it is unclaimed. */
  readonly claimedBy: string | null;
}

/** What the transfers found so far mean. */
export interface ForeignTransfers {
  readonly foreign: readonly IncomingTransfer[];
  /** The first block with a transfer that an open payment may still claim; null when there is none. */
  readonly heldBlock: bigint | null;
}

/**
 * Tells transfers that belong to no payment from those that do, or may. One that looks like what an open payment waits
 * for is left to that payment until it is decided, so that money of payments is not booked twice even for a moment.
 */
export function foreignTransfers(
  transfers: readonly IncomingTransfer[],
  ledger: {
    /** Whether the log proves a payment, or is booked already. */
    readonly isKnown: (transfer: IncomingTransfer) => boolean;
    /** Whether an open payment without evidence has this payer and amount. */
    readonly isAwaited: (transfer: IncomingTransfer) => boolean;
  },
): ForeignTransfers {
  const unknown = transfers.filter(
    (transfer) => transfer.amountAtomic > 0n && !ledger.isKnown(transfer),
  );
  const held = unknown.filter(ledger.isAwaited).map(({ blockNumber }) => blockNumber);
  return {
    foreign: unknown.filter((transfer) => !ledger.isAwaited(transfer)),
    heldBlock: held.reduce<bigint | null>(
      (first, block) => (first === null || block < first ? block : first),
      null,
    ),
  };
}
