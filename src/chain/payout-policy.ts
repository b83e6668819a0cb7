/** What the signer of deposit accounts signs, and what it refuses whoever asks. Pure. */
import * as z from "zod";
import { addressSchema } from "../contracts/tenant-api.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { tenantIdSchema } from "../tenant/tenant-id.ts";

/** Most that one payout moves: 10,000 USDC (6 decimals): more than a payout of per-call prices, less than a disaster. */
export const PAYOUT_CAP_ATOMIC = 10_000n * 10n ** 6n;

/** Payouts ask for an hour. Twice that leaves room for clocks, and still ends before a wallet can have changed. */
const PAYOUT_VALIDITY_MAX_MS = 2 * 60 * 60 * 1_000;

export const payoutSigningRequestSchema = z.object({
  tenantId: tenantIdSchema,
  serial: z.number().int().positive(),
  payoutId: z.string().regex(/^out_[a-zA-Z0-9_-]{1,120}$/),
  /** CAIP-2. */
  network: z.string().regex(/^eip155:[1-9][0-9]{0,9}$/),
  asset: z.object({
    address: addressSchema,
    /** EIP-712 domain of the token. */
    name: z.string().min(1),
    version: z.string().min(1),
  }),
  /** Where the money goes: the tenant's wallet in the directory, or it is refused. */
  wallet: addressSchema,
  amountAtomic: z.bigint().positive(),
  validAfterMs: z.number().int().min(0),
  validBeforeMs: z.number().int().min(0),
});
export type PayoutSigningRequest = z.infer<typeof payoutSigningRequestSchema>;

/** What the directory says about the tenant, as far as it matters here. */
export type PayoutDirectoryRecord = Pick<TenantRecord, "serial" | "wallet" | "payTo">;

export type SigningRefusal =
  | "malformed_request"
  | "unknown_tenant"
  /** The directory could not be read: nothing was signed, and asking again may help. */
  | "directory_unavailable"
  | "destination_not_tenant_wallet"
  /** The tenant is not paid into the account that this seed derives for it. */
  | "not_deposit_account"
  | "amount_over_cap"
  | "validity_out_of_bounds";

/**
 * Why a payout is not signed; null when it is.
 * @param record null when the directory has no such tenant
 */
export function payoutRefusal(
  request: PayoutSigningRequest,
  record: PayoutDirectoryRecord | null,
  context: {
    readonly depositAddress: string;
    /** Milliseconds since the epoch. */
    readonly nowMs: number;
  },
): SigningRefusal | null {
  if (record?.serial !== request.serial) return "unknown_tenant";
  if (request.wallet !== record.wallet) return "destination_not_tenant_wallet";
  if (record.payTo !== context.depositAddress) return "not_deposit_account";
  if (request.amountAtomic > PAYOUT_CAP_ATOMIC) return "amount_over_cap";
  const { validAfterMs, validBeforeMs } = request;
  const isWithinBounds =
    validAfterMs < validBeforeMs &&
    validBeforeMs > context.nowMs &&
    validBeforeMs <= context.nowMs + PAYOUT_VALIDITY_MAX_MS;
  return isWithinBounds ? null : "validity_out_of_bounds";
}
