/** What the signer of deposit accounts signs, and what it refuses whoever asks. Pure. */
import * as z from "zod";
import { addressSchema } from "../contracts/address.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import type { NamedTransfer } from "./port.ts";

/** Most that one payout or refund moves: 10,000 USDC (6 decimals): more than a payout of per-call prices, less than a disaster. */
export const PAYOUT_CAP_ATOMIC = 10_000n * 10n ** 6n;

/** Payouts ask for an hour. Twice that leaves room for clocks, and still ends before a wallet can have changed. */
const PAYOUT_VALIDITY_MAX_MS = 2 * 60 * 60 * 1_000;

const transferSchema = z.object({
  tenantId: tenantIdSchema,
  /** CAIP-2. */
  network: z.string().regex(/^eip155:[1-9][0-9]{0,9}$/),
  asset: z.object({
    address: addressSchema,
    /** EIP-712 domain of the token. */
    name: z.string().min(1),
    version: z.string().min(1),
  }),
  amountAtomic: z.bigint().positive(),
  validAfterMs: z.number().int().min(0),
  validBeforeMs: z.number().int().min(0),
});

export const payoutSigningRequestSchema = transferSchema.extend({
  serial: z.number().int().positive(),
  payoutId: z.string().regex(/^out_[a-zA-Z0-9_-]{1,120}$/),
  /** Where the money goes: the tenant's wallet in the directory, or it is refused. */
  wallet: addressSchema,
});

export const refundSigningRequestSchema = transferSchema.extend({
  /** Where the money goes: who sent it, as the chain says, or it is refused. */
  payer: addressSchema,
  /** The Transfer log that is given back. */
  transaction: z.string().regex(/^0x[0-9a-f]{64}$/),
  logIndex: z.number().int().min(0),
});
export type RefundSigningRequest = z.infer<typeof refundSigningRequestSchema>;

export type PayoutSigningRequest = z.infer<typeof payoutSigningRequestSchema>;

/** What the directory says about the tenant, as far as it matters here. */
export type PayoutDirectoryRecord = Pick<TenantRecord, "serial" | "wallet" | "payTo">;

export type SigningRefusal =
  | "malformed_request"
  | "unknown_tenant"
  /** The directory could not be read: nothing was signed, and asking again may help. */
  | "directory_unavailable"
  | "destination_not_tenant_wallet"
  /** The chain shows no such transfer to the deposit account, deep enough, from this payer over this amount. */
  | "transfer_not_found"
  /** The chain could not be asked: nothing was signed, and asking again may help. */
  | "chain_unavailable"
  /** The tenant is not paid into the account that this seed derives for it. */
  | "not_deposit_account"
  | "amount_over_cap"
  | "validity_out_of_bounds";

export interface SigningContext {
  readonly depositAddress: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

/**
 * Why a payout is not signed; null when it is.
 * @param record null when the directory has no such tenant
 */
export function payoutRefusal(
  request: PayoutSigningRequest,
  record: PayoutDirectoryRecord | null,
  context: SigningContext,
): SigningRefusal | null {
  if (record?.serial !== request.serial) return "unknown_tenant";
  if (request.wallet !== record.wallet) return "destination_not_tenant_wallet";
  return transferRefusal(request, record, context);
}

/**
 * Why a refund is not signed; null when it is. It gives back one transfer that the chain shows, all of it, to nobody
 * but who sent it.
 * @param named what the chain says about the transfer that is given back
 */
export function refundRefusal(
  request: RefundSigningRequest,
  record: PayoutDirectoryRecord,
  named: NamedTransfer,
  context: SigningContext,
): SigningRefusal | null {
  if (named.found === "unavailable") return "chain_unavailable";
  const isTransfer =
    named.found === "confirmed" &&
    named.transfer.payer === request.payer &&
    named.transfer.amountAtomic === request.amountAtomic;
  if (!isTransfer) return "transfer_not_found";
  return transferRefusal(request, record, context);
}

/** What holds for everything that leaves a deposit account. */
function transferRefusal(
  request: z.infer<typeof transferSchema>,
  record: PayoutDirectoryRecord,
  context: SigningContext,
): SigningRefusal | null {
  if (record.payTo !== context.depositAddress) return "not_deposit_account";
  if (request.amountAtomic > PAYOUT_CAP_ATOMIC) return "amount_over_cap";
  const { validAfterMs, validBeforeMs } = request;
  const isWithinBounds =
    validAfterMs < validBeforeMs &&
    validBeforeMs > context.nowMs &&
    validBeforeMs <= context.nowMs + PAYOUT_VALIDITY_MAX_MS;
  return isWithinBounds ? null : "validity_out_of_bounds";
}
