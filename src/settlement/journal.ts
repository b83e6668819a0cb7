/**
 * Double entry, per asset. Every posting sums to zero. `deposit` is what the deposit account holds on the chain
 * (positive); all other accounts say to whom that is owed (negative), so that a posting reads as a movement.
 */
import type { Deposit } from "./deposit.ts";
import type { Payment } from "./payment.ts";

export const ACCOUNTS = [
  "deposit",
  "payable",
  "fees",
  "in_flight",
  /** Sent to the deposit account without being any payment. */
  "unclaimed",
  /** Owed back to payers whose paid call was never delivered. */
  "credits",
] as const;
export type Account = (typeof ACCOUNTS)[number];

export type PostingKind =
  /** An incoming payment settled: the deposit grew, tenant and platform are owed their parts. */
  | "payment_settled"
  /** The settlement is not on the chain after all. */
  | "payment_reversed"
  /** What was paid upfront was never delivered: all of it is owed to its payer. */
  | "payment_undelivered"
  /** A payout or refund takes its amount out of what is owed to the tenant or to a payer. */
  | "payout_reserved"
  /** It landed: the deposit shrank. */
  | "payout_settled"
  /** It can not land: its amount is owed again. */
  | "payout_returned"
  /** One that counted as settled is not on the chain after all. */
  | "payout_reversed";

export type DepositPostingKind =
  /** The chain has a transfer to the deposit account that proves no payment. */
  | "deposit_found"
  /** It proves a payment after all, which posts it itself. */
  | "deposit_claimed";

export interface JournalEntry {
  readonly account: Account;
  /** Signed atomic units. */
  readonly amountAtomic: bigint;
}

export interface Posting {
  readonly kind: PostingKind | DepositPostingKind;
  /** Id of the payment, payout, refund or deposit that it is about. */
  readonly sourceId: string;
  readonly asset: string;
  readonly entries: readonly JournalEntry[];
}

/** Makes the posting of a kind for a payment. Amounts and fulfilment are the payment's own: reversals match. */
export function postingFor(kind: PostingKind, payment: Payment): Posting {
  const { amountAtomic: amount, asset } = payment.authorization;
  return { kind, sourceId: payment.paymentId, asset, entries: entriesFor(kind, payment, amount) };
}

/** Makes the posting of a kind for a deposit that is no payment. */
export function depositPostingFor(kind: DepositPostingKind, deposit: Deposit): Posting {
  const amount = kind === "deposit_found" ? deposit.amountAtomic : -deposit.amountAtomic;
  return {
    kind,
    sourceId: deposit.depositId,
    asset: deposit.asset,
    entries: entries(["deposit", amount], ["unclaimed", -amount]),
  };
}

/** To whom the amount of an outgoing payment is owed until it leaves. */
function owingAccount({ refundOf }: Payment): Account {
  if (refundOf === null) return "payable";
  return refundOf.kind === "payment" ? "credits" : "unclaimed";
}

function entriesFor(kind: PostingKind, payment: Payment, amount: bigint): JournalEntry[] {
  const fee = payment.feeAtomic;
  const undelivered = payment.fulfilment?.state === "undelivered";
  switch (kind) {
    case "payment_settled":
      return undelivered
        ? entries(["deposit", amount], ["credits", -amount])
        : entries(["deposit", amount], ["payable", fee - amount], ["fees", -fee]);
    case "payment_reversed":
      return undelivered
        ? entries(["deposit", -amount], ["credits", amount])
        : entries(["deposit", -amount], ["payable", amount - fee], ["fees", fee]);
    case "payment_undelivered":
      return entries(["payable", amount - fee], ["fees", fee], ["credits", -amount]);
    case "payout_reserved":
      return entries([owingAccount(payment), amount], ["in_flight", -amount]);
    case "payout_settled":
      return entries(["in_flight", amount], ["deposit", -amount]);
    case "payout_returned":
      return entries(["in_flight", amount], [owingAccount(payment), -amount]);
    case "payout_reversed":
      return entries(["deposit", amount], ["in_flight", -amount]);
    default:
      return kind satisfies never;
  }
}

function entries(...pairs: readonly (readonly [Account, bigint])[]): JournalEntry[] {
  return pairs
    .filter(([, amountAtomic]) => amountAtomic !== 0n)
    .map(([account, amountAtomic]) => ({ account, amountAtomic }));
}
