/** Bodies of the control plane's HTTP interface (`/v1/*`): one schema for server, CLI and tests. */
import * as z from "zod";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { addressSchema } from "./address.ts";
import { depositSchema, refundSchema } from "./refunds.ts";
import { collectionSchema, columnSchema, planIdSchema } from "./snapshot.ts";
import { walletProofSchema } from "./wallet.ts";

export const createTenantRequestSchema = z
  .strictObject({
    tenantId: tenantIdSchema,
    plan: planIdSchema.default("free"),
    /** Where payouts go; for direct collection where payments arrive. */
    wallet: addressSchema,
    collection: collectionSchema.default("treasury"),
    /** For direct collection: that the wallet is the tenant's own. */
    walletProof: walletProofSchema.optional(),
  })
  .refine(
    ({ collection, walletProof }) => (collection === "direct") === (walletProof !== undefined),
    {
      path: ["walletProof"],
      error: "goes with direct collection, always: ask POST /v1/tenants/wallet-challenges for it",
    },
  );

export const createTenantResponseSchema = z.object({
  tenantId: tenantIdSchema,
  /** Shown this once; only its hash is kept. */
  apiKey: z.string(),
  /** Receives this tenant's payments: a deposit account of its own, or for direct collection its wallet. */
  payTo: z.string(),
  plan: planIdSchema,
  wallet: z.string(),
  collection: collectionSchema,
});
export type CreateTenantResponse = z.infer<typeof createTenantResponseSchema>;

/** Something about an upload its owner should know; the row is 1-based and counts the header. */
export const uploadProblemSchema = z.object({
  column: z.string().nullable(),
  row: z.number().int().nullable(),
  message: z.string(),
});

export type UploadProblem = z.infer<typeof uploadProblemSchema>;

export const uploadReportSchema = z.object({
  dataset: z.string(),
  /** Immutable version made by this upload. */
  version: z.string(),
  rows: z.number().int(),
  columns: z.array(columnSchema),
  problems: z.array(uploadProblemSchema),
});
export type UploadReport = z.infer<typeof uploadReportSchema>;

export const deploymentResponseSchema = z.object({
  deploymentId: z.string(),
  version: z.number().int(),
  routes: z.array(
    z.object({
      url: z.string(),
      methods: z.array(z.string()),
      price: z.string(),
      priceAtomic: z.string(),
      /** All ways to pay, where the manifest names several; the rest here is about the first one. */
      options: z
        .array(z.object({ network: z.string(), asset: z.string(), priceAtomic: z.string() }))
        .optional(),
      /** What the platform keeps of one call, atomic units. */
      feeAtomic: z.string(),
      /** What the tenant is owed for one call, atomic units. */
      netAtomic: z.string(),
    }),
  ),
});
export type DeploymentResponse = z.infer<typeof deploymentResponseSchema>;

export const deploymentListSchema = z.object({
  deployments: z.array(
    deploymentResponseSchema.extend({
      /** Whether this is the one on sale. */
      active: z.boolean(),
      createdAtMs: z.number().int(),
    }),
  ),
  /** What was on sale before the active one: where a rollback without a choice goes; null when there was nothing. */
  previousDeploymentId: z.string().nullable(),
  /** Pass as `cursor` for the next page; null on the last. */
  nextCursor: z.string().nullable(),
});
export type DeploymentList = z.infer<typeof deploymentListSchema>;

export const paymentStateSchema = z.enum([
  "claimed",
  "released",
  "superseded",
  "staged",
  "settling",
  "unknown",
  "settled",
  "confirmed",
  // Paid upfront: what became of it once it was settled.
  "settled_unfulfilled",
  "fulfilled",
  "paid_undelivered",
  "failed",
  "expired",
]);

/** `GET /payments/{paymentId}`: what anyone who has the id may know. */
export const paymentStatusSchema = z.object({
  paymentId: z.string(),
  state: paymentStateSchema,
  transaction: z.string().nullable(),
  failure: z.string().nullable(),
  /** When to ask again; null when the payment is decided. */
  retryAfterMs: z.number().int().nullable(),
});
export type PaymentStatus = z.infer<typeof paymentStatusSchema>;

export const receiptSchema = z.object({
  paymentId: z.string(),
  state: paymentStateSchema,
  method: z.string(),
  url: z.string(),
  route: z.string(),
  payer: z.string(),
  payTo: z.string(),
  network: z.string(),
  asset: z.string(),
  amountAtomic: z.string(),
  feeAtomic: z.string(),
  netAtomic: z.string(),
  transaction: z.string().nullable(),
  claimedAtMs: z.number().int(),
  settledAtMs: z.number().int().nullable(),
  confirmedAtMs: z.number().int().nullable(),
  /** What the payer had signed at most, where the handler said how much of it is charged. */
  maximumAtomic: z.string().optional(),
  /** What was given back of it; null when no refund was asked for. */
  refund: refundSchema.nullable(),
});
export type Receipt = z.infer<typeof receiptSchema>;

export const receiptListSchema = z.object({
  receipts: z.array(receiptSchema),
  /** Pass as `cursor` for the next page; null on the last. */
  nextCursor: z.string().nullable(),
});
export type ReceiptList = z.infer<typeof receiptListSchema>;

export const balanceSchema = z.object({
  network: z.string(),
  asset: z.string(),
  /** Gross of all settled payments. */
  settledAtomic: z.string(),
  feesAtomic: z.string(),
  /** Owed to the tenant: settled - fees - paid out - in flight. */
  payableAtomic: z.string(),
  /** The part of `payableAtomic` whose settlements are confirmed on the chain: what a payout can take. */
  availableAtomic: z.string(),
  /** Reserved by payouts and refunds that are on their way. */
  inFlightAtomic: z.string(),
  /** Owed back to payers whose paid call was never delivered. */
  creditsAtomic: z.string(),
  paidOutAtomic: z.string(),
  /** Given back to payers. */
  refundedAtomic: z.string(),
  /** Sent to the deposit account without being any payment: neither the tenant's nor the platform's. */
  unclaimedAtomic: z.string(),
  /** What `unclaimedAtomic` consists of, the newest 50. */
  unclaimedDeposits: z.array(depositSchema),
});
export type Balance = z.infer<typeof balanceSchema>;

/** Which token's books are meant: the first one of the tenant's network when left out. */
const booksShape = {
  /** CAIP-2. */
  network: z.string().max(64).optional(),
  /** Address of the token. */
  asset: z.string().max(64).optional(),
};
export const balanceQuerySchema = z.strictObject(booksShape);

export const createPayoutRequestSchema = z.strictObject({
  /** Atomic units; everything available when left out. */
  amountAtomic: z
    .string()
    .regex(/^[1-9][0-9]{0,29}$/, "must be a positive whole number of atomic units")
    .optional(),
  ...booksShape,
});

export const payoutStateSchema = z.enum([
  "staged",
  "settling",
  "unknown",
  "settled",
  "confirmed",
  "failed",
  "expired",
]);

export const payoutSchema = z.object({
  payoutId: z.string(),
  state: payoutStateSchema,
  network: z.string(),
  asset: z.string(),
  amountAtomic: z.string(),
  wallet: z.string(),
  transaction: z.string().nullable(),
  createdAtMs: z.number().int(),
  settledAtMs: z.number().int().nullable(),
});
export type Payout = z.infer<typeof payoutSchema>;
