/**
 * Ids of payments, payouts (`out`), refunds (`ref`) and deposits that are no payment (`dep`): `pay_{tenant}_{time}{random}`. The time part makes new rows append and receipts page
 * in order; the 100 random bits make an id something only its payer and tenant know (`GET /payments/{id}` needs
 * nothing else). Nothing in it derives from the authorization, which is public once settled.
 */
import { type TenantId, parseTenantId } from "../tenant/tenant-id.ts";

/** Milliseconds in base 36 have nine digits until the year 5188. */
const TIME_DIGITS = 9;
/** Random characters, five bits each. */
export const PAYMENT_ID_RANDOM_BYTES = 20;

/** Crockford's base 32: no letters that read like digits. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

const PAYMENT_ID_PATTERN = /^(pay|out|ref|dep)_([a-z0-9-]{3,32})_[0-9a-z]{29}$/;

export type PaymentIdKind = "pay" | "out" | "ref" | "dep";

export function makePaymentId(
  kind: PaymentIdKind,
  tenantId: TenantId,
  nowMs: number,
  randomBytes: Uint8Array,
): string {
  if (randomBytes.byteLength !== PAYMENT_ID_RANDOM_BYTES) {
    throw new RangeError(`a payment id is made of ${PAYMENT_ID_RANDOM_BYTES} random bytes`);
  }
  const time = nowMs.toString(36).padStart(TIME_DIGITS, "0");
  const random = Array.from(randomBytes, (byte) => ALPHABET.charAt(byte % 32)).join("");
  return `${kind}_${tenantId}_${time}${random}`;
}

/** Whose payment an id says it is; null for anything that is not an id. Proves nothing by itself. */
export function tenantOfPaymentId(paymentId: string): TenantId | null {
  const tenantId = PAYMENT_ID_PATTERN.exec(paymentId)?.[2];
  return tenantId === undefined ? null : parseTenantId(tenantId);
}
