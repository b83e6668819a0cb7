/** What an answer says became of the money. */

const STATUSES = [
  "required",
  "settled",
  "replayed",
  "not-charged",
  "unknown",
  "failed",
  "superseded",
] as const;

/**
 * `required`: it has a price and was not paid · `settled`: paid by this call · `replayed`: paid before, answered again
 * · `superseded`: an earlier payment stands for this one, which is not charged · `not-charged` · `failed`: the
 * settlement can no longer land · `unknown`: send it again.
 */
export type PaymentStatus = (typeof STATUSES)[number];

/** The `Payment-Status` of an answer; null where the server sends none, as other x402 servers do. */
export function paymentStatusOf(response: Response): PaymentStatus | null {
  const text = response.headers.get("Payment-Status");
  return STATUSES.find((status) => status === text) ?? null;
}

const UNCHARGED: ReadonlySet<PaymentStatus | null> = new Set([
  "required",
  "not-charged",
  "failed",
  "superseded",
]);

/**
 * Whether the server vouches that the payment it was sent has not been and will not be charged. A conflict only says so
 * for this request: the payment may have bought another one.
 */
export function isUncharged(response: Response): boolean {
  return response.status !== 409 && UNCHARGED.has(paymentStatusOf(response));
}
