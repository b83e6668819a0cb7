/**
 * Whether a payment fits what is offered, without asking anyone: terms, quote, amounts, recipient and validity
 * window. The answer matters for payments never seen before only; a known one replays whatever has changed since.
 */
import type { DecodedPayment } from "./decode-payment.ts";
import { MAX_TIMEOUT_SECONDS, type Offer } from "./offer.ts";
import type { QuotedTerms } from "./quote-token.ts";

/** Room for a client's clock that runs ahead of ours (design: payment identity). */
const VALIDITY_SLACK_MS = 300_000;

/** An authorization must outlive verify, handler and settle, or it would expire in our hands. */
export const VALIDITY_LEFT_MIN_MS = 20_000;

/** Why a payment does not fit: the reasons facilitators' are normalised to (`facilitator/reasons.ts`), and our own. */
export type TermsRefusal =
  | "scheme_mismatch"
  | "network_mismatch"
  | "offer_not_matched"
  | "quote_invalid"
  | "quote_expired"
  | "amount_mismatch"
  | "recipient_mismatch"
  | "authorization_not_yet_valid"
  | "authorization_expired"
  | "authorization_valid_too_long"
  | "payer_is_payee";

export interface TermsContext {
  readonly tenantId: string;
  readonly route: string;
  /** What is offered now; the price of a valid quote takes its place. */
  readonly offer: Offer;
  /** The quote the payment carries: null when it has none, `invalid` when we did not sign it. */
  readonly quote: QuotedTerms | "invalid" | null;
  readonly nowMs: number;
}

/** The amount this payment has to pay: what its quote says, or what is offered now. */
export function amountDue({ offer, quote }: Pick<TermsContext, "offer" | "quote">): bigint {
  return quote === null || quote === "invalid" ? offer.amountAtomic : BigInt(quote.amountAtomic);
}

/** Null when it fits. */
export function refuseTerms(payment: DecodedPayment, context: TermsContext): TermsRefusal | null {
  const { offer } = context;
  if (payment.scheme !== offer.scheme) return "scheme_mismatch";
  if (payment.network !== offer.network.caip2) return "network_mismatch";
  return (
    refuseQuote(context) ??
    refuseAccepted(payment, context) ??
    refuseAuthorization(payment, context)
  );
}

function refuseQuote({ quote, tenantId, route, offer, nowMs }: TermsContext): TermsRefusal | null {
  if (quote === null) return null;
  if (quote === "invalid") return "quote_invalid";
  const quotedHere =
    quote.tenantId === tenantId &&
    quote.route === route &&
    quote.scheme === offer.scheme &&
    quote.network === offer.network.caip2 &&
    quote.asset === offer.network.asset.address &&
    quote.payTo === offer.payTo;
  if (!quotedHere) return "offer_not_matched";
  return nowMs >= quote.expiresAtSeconds * 1_000 ? "quote_expired" : null;
}

function refuseAccepted(payment: DecodedPayment, context: TermsContext): TermsRefusal | null {
  const { accepted } = payment;
  // v1 has no flows: whoever pays by it expects to pay for what was delivered.
  if ((accepted?.paymentFlow ?? "authorization") !== context.offer.paymentFlow) {
    return "offer_not_matched";
  }
  if (accepted === null) return null;
  const fits =
    accepted.asset === context.offer.network.asset.address &&
    accepted.payTo === context.offer.payTo &&
    BigInt(accepted.amount) === amountDue(context);
  return fits ? null : "offer_not_matched";
}

function refuseAuthorization(payment: DecodedPayment, context: TermsContext): TermsRefusal | null {
  const { offer, nowMs } = context;
  if (payment.to !== offer.payTo) return "recipient_mismatch";
  if (payment.value !== amountDue(context)) return "amount_mismatch";
  if (payment.from === offer.payTo) return "payer_is_payee";
  if (payment.validAfterMs >= nowMs) return "authorization_not_yet_valid";
  if (payment.validBeforeMs < nowMs + VALIDITY_LEFT_MIN_MS) return "authorization_expired";
  const latestMs = nowMs + MAX_TIMEOUT_SECONDS * 1_000 + VALIDITY_SLACK_MS;
  return payment.validBeforeMs > latestMs ? "authorization_valid_too_long" : null;
}
