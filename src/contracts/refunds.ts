/**
 * Refunds, and the deposits that are no payment: bodies of `/v1/refunds`, `/v1/deposits` and their like under `/admin`,
 * and the ledger's replies behind them. Amounts are decimal strings in atomic units, times milliseconds since the epoch.
 */
import * as z from "zod";
import { PAYMENT_STATES, type RefundSource } from "../settlement/payment.ts";
import type { TenantId } from "../tenant/tenant-id.ts";

export const refundSchema = z.object({
  refundId: z.string(),
  /** Id of the payment or deposit that is given back. */
  refundOf: z.string(),
  /** As a payout's: it is on its way until `settled`, and lasting once it is `confirmed`. */
  state: z.enum(PAYMENT_STATES),
  network: z.string(),
  asset: z.string(),
  amountAtomic: z.string(),
  /** Who is given it: whoever paid. */
  payer: z.string(),
  /** Null until it is settled. */
  transaction: z.string().nullable(),
  createdAtMs: z.number().int(),
  settledAtMs: z.number().int().nullable(),
});
export type Refund = z.infer<typeof refundSchema>;

/** A transfer to the deposit account that proves no payment. */
export const depositSchema = z.object({
  depositId: z.string(),
  network: z.string(),
  asset: z.string(),
  payer: z.string(),
  amountAtomic: z.string(),
  transaction: z.string(),
  logIndex: z.number().int(),
  blockNumber: z.string(),
  foundAtMs: z.number().int(),
  /** The payment that it proved after all; null as long as it is unclaimed. */
  claimedBy: z.string().nullable(),
  /** Its latest refund; null when none was asked for. */
  refund: refundSchema.nullable(),
});
export type DepositView = z.infer<typeof depositSchema>;

export const depositListSchema = z.object({
  /** Newest first. */
  deposits: z.array(depositSchema),
  nextCursor: z.string().nullable(),
});
export type DepositList = z.infer<typeof depositListSchema>;

// Messages of the ledger.

export interface DepositListQuery {
  readonly cursor: string | null;
  /** 1 to 500. */
  readonly limit: number;
}

export interface RefundRequest {
  readonly tenantId: TenantId;
  readonly source: RefundSource;
}

export type RefundReply =
  /** @property replayed it was asked for before, and this is that refund */
  | { readonly result: "accepted"; readonly refund: Refund; readonly replayed: boolean }
  | { readonly result: "over_payout_cap"; readonly capAtomic: bigint }
  | {
      readonly result:
        | "not_found"
        /** Nothing of it is owed to its payer. */
        | "nothing_to_refund"
        | "payment_not_confirmed"
        /** An earlier refund failed, and the chain has not ruled out yet that it lands. */
        | "refund_may_still_land"
        /** It was minted: there is nobody to give it back to. */
        | "no_payer";
    };
