/**
 * Bodies of the operators' view of payments, alerts and reconciliation (`/admin/tenants/{id}/…`), and the ledger's
 * replies behind them. They show what the chain publishes anyway, never a signature nor what facilitators
 * are sent. Amounts are decimal strings in atomic units, times milliseconds since the epoch.
 */
import * as z from "zod";
import { SHOWN_STATES, type ShownState } from "../settlement/fulfilment.ts";
import { PAYMENT_STATES } from "../settlement/payment.ts";
import { refundSchema } from "./refunds.ts";

const settlementStateSchema = z.enum(PAYMENT_STATES);
/** What payments can be listed by. */
export const shownStateSchema = z.enum(SHOWN_STATES);

export const adminPaymentSchema = z.object({
  paymentId: z.string(),
  direction: z.enum(["incoming", "outgoing"]),
  /** Id of the payment or deposit that it gives back; null for all others. */
  refundOf: z.string().nullable(),
  state: settlementStateSchema,
  /** What an upfront payment still owes its payer; null for all others. */
  fulfilment: z.enum(["pending", "fulfilled", "undelivered"]).nullable(),
  route: z.string(),
  method: z.string(),
  url: z.string(),
  network: z.string(),
  asset: z.string(),
  payer: z.string(),
  payTo: z.string(),
  amountAtomic: z.string(),
  feeAtomic: z.string(),
  transaction: z.string().nullable(),
  failure: z.string().nullable(),
  /** How an operator ended it without evidence; null when none did. */
  operatorRuling: z.enum(["settled", "failed"]).nullable(),
  attemptCount: z.number().int(),
  retryCount: z.number().int(),
  /** When the engine looks at it next; null when it is done, or parked for an operator. */
  dueAtMs: z.number().int().nullable(),
  claimedAtMs: z.number().int(),
  settledAtMs: z.number().int().nullable(),
  confirmedAtMs: z.number().int().nullable(),
});
export type AdminPayment = z.infer<typeof adminPaymentSchema>;

export const adminPaymentListSchema = z.object({
  /** Newest first, within refunds, then payments, then payouts. */
  payments: z.array(adminPaymentSchema),
  nextCursor: z.string().nullable(),
});
export type AdminPaymentList = z.infer<typeof adminPaymentListSchema>;

export const ledgerAlertSchema = z.object({
  /** 1, 2, … within its ledger. */
  alert: z.number().int(),
  kind: z.string(),
  /** Null when it is about the ledger as a whole. */
  paymentId: z.string().nullable(),
  detail: z.string(),
  atMs: z.number().int(),
});
export type LedgerAlert = z.infer<typeof ledgerAlertSchema>;

export const ledgerAlertListSchema = z.object({
  /** Newest first. */
  alerts: z.array(ledgerAlertSchema),
  nextCursor: z.string().nullable(),
});
export type LedgerAlertList = z.infer<typeof ledgerAlertListSchema>;

/** What the ledger knows of one payment. */
export const paymentInspectionSchema = adminPaymentSchema.extend({
  nonce: z.string(),
  validAfterMs: z.number().int(),
  validBeforeMs: z.number().int(),
  boundFacilitatorId: z.string().nullable(),
  attempts: z.array(
    z.object({
      attempt: z.number().int(),
      facilitatorId: z.string(),
      startedAtMs: z.number().int(),
      leaseExpiresAtMs: z.number().int(),
      /** Null while it is in flight. */
      outcome: z
        .object({
          class: z.enum(["settled", "refused", "pending", "ambiguous", "unavailable"]),
          reason: z.string().nullable(),
          transaction: z.string().nullable(),
        })
        .nullable(),
    }),
  ),
  /** The Transfer log that proves the settlement; null as long as only a facilitator says so. */
  evidence: z
    .object({
      transaction: z.string(),
      logIndex: z.number().int(),
      blockNumber: z.string(),
      blockHash: z.string(),
      blockTimestampMs: z.number().int(),
    })
    .nullable(),
  /** What was given back of it; null when no refund was asked for. */
  refund: refundSchema.nullable(),
  response: z.enum(["kept", "removed", "none"]),
  answeredAtMs: z.number().int().nullable(),
  chainCheckedAtMs: z.number().int().nullable(),
  ruledAtMs: z.number().int().nullable(),
  /** Oldest first. */
  postings: z.array(
    z.object({
      posting: z.number().int(),
      kind: z.string(),
      atMs: z.number().int(),
      entries: z.array(z.object({ account: z.string(), amountAtomic: z.string() })),
    }),
  ),
  /** Newest first. */
  alerts: z.array(ledgerAlertSchema),
});
export type PaymentInspection = z.infer<typeof paymentInspectionSchema>;

export const adminPaymentDetailSchema = paymentInspectionSchema.extend({
  /** What operators did about it, newest first. */
  audit: z.array(
    z.object({
      auditId: z.number().int(),
      atMs: z.number().int(),
      actor: z.string(),
      /** Name; null for what happened before operators were named. */
      operator: z.string().nullable(),
      action: z.string(),
      detail: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
    }),
  ),
});
export type AdminPaymentDetail = z.infer<typeof adminPaymentDetailSchema>;

/** A sentence for whoever reads the audit log. */
export const reasonSchema = z.string().trim().min(3).max(500);

export const retryRequestSchema = z.strictObject({ reason: reasonSchema });

export const refundRequestSchema = z.strictObject({ reason: reasonSchema });

export const resolveRequestSchema = z.strictObject({
  resolution: z.enum(["settled", "failed"]),
  /** Where the operator believes the transfer to be: looked at first. */
  transaction: z
    .string()
    .regex(/^0x[0-9a-fA-F]{64}$/, "must be a transaction hash: 0x and 64 hexadecimal digits")
    .transform((hash) => hash.toLowerCase())
    .optional(),
  reason: reasonSchema,
});

export const resolveResponseSchema = z.object({
  /** `none`: recorded as `operator_unproven`, and nothing of it is payable. */
  proof: z.enum(["chain", "none"]),
  payment: adminPaymentSchema,
});
export type ResolveResponse = z.infer<typeof resolveResponseSchema>;

export const reconciliationSchema = z.object({
  asset: z.string(),
  /** The deposit account, as the payments name it. */
  account: z.string().nullable(),
  network: z.string().nullable(),
  outcome: z.enum(["matches", "surplus", "shortfall", "unavailable"]).nullable(),
  checkedAtMs: z.number().int().nullable(),
  /** What the books said the account holds. */
  depositAtomic: z.string().nullable(),
  /** What it may have held, given the payments that were still open. */
  lowAtomic: z.string().nullable(),
  highAtomic: z.string().nullable(),
  /** What it held on the chain. */
  chainAtomic: z.string().nullable(),
  /** Chain less books, beyond what open payments explain; negative is a shortfall. */
  differenceAtomic: z.string().nullable(),
  /** Null when nothing has changed since the last check. */
  nextCheckAtMs: z.number().int().nullable(),
  /** Up to this block the account's transfers are known; null when they were never searched. */
  scannedBlock: z.string().nullable(),
});
export const reconciliationListSchema = z.object({
  reconciliations: z.array(reconciliationSchema),
});
export type Reconciliation = z.infer<typeof reconciliationSchema>;
export type ReconciliationList = z.infer<typeof reconciliationListSchema>;

// Messages of the ledger.

export interface PaymentListQuery {
  /** `settled` and `confirmed` include upfront payments, whatever became of them. */
  readonly state: ShownState | null;
  /** Only payments claimed at or before this time. */
  readonly claimedUntilMs: number | null;
  readonly cursor: string | null;
  /** 1 to 500. */
  readonly limit: number;
}

export interface AlertListQuery {
  /** Number of the last alert of the page before. */
  readonly beforeAlert: number | null;
  /** 1 to 500. */
  readonly limit: number;
}

export type RetryReply =
  | { readonly result: "accepted"; readonly payment: AdminPayment }
  | { readonly result: "not_found" | "decided" };

export interface ResolveRequest {
  readonly resolution: "settled" | "failed";
  readonly transaction: string | null;
}

export type ResolveReply =
  | { readonly result: "proven" | "operator_unproven"; readonly payment: AdminPayment }
  | {
      readonly result:
        | "not_found"
        /** It is settled or failed already. */
        | "decided"
        /** An attempt may answer any moment. */
        | "in_flight"
        /** A payout is never resolved by an operator's word. */
        | "evidence_required"
        /** There is no stored answer that could be let go. */
        | "nothing_to_release";
    };
