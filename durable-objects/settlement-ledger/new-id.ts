import {
  PAYMENT_ID_RANDOM_BYTES,
  type PaymentIdKind,
  makePaymentId,
} from "../../src/payment/payment-id.ts";
import type { TenantId } from "../../src/tenant/tenant-id.ts";

/** An id of now that nobody can guess. */
export function newId(kind: PaymentIdKind, tenantId: TenantId): string {
  const randomBytes = crypto.getRandomValues(new Uint8Array(PAYMENT_ID_RANDOM_BYTES));
  return makePaymentId(kind, tenantId, Date.now(), randomBytes);
}
