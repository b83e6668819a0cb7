/** A payment as it was sent: what has to be sent again, and nothing else, to get the answer it paid for. */

/** Plain data, so that it can be stored. Whoever has it can fetch what was bought: keep it like a key. */
export interface SentPayment {
  readonly url: string;
  readonly header: "PAYMENT-SIGNATURE" | "X-PAYMENT";
  readonly value: string;
}

/** The payment a request carries; null when it carries none. */
export function paymentOf(request: Request): SentPayment | null {
  for (const header of ["PAYMENT-SIGNATURE", "X-PAYMENT"] as const) {
    const value = request.headers.get(header);
    if (value !== null) return { url: request.url, header, value };
  }
  return null;
}
