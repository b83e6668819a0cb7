/**
 * Whether a payment fits what is offered, without asking anyone: terms, quote, amounts, recipient and validity
 * window. The answer matters for payments never seen before only; a known one replays whatever has changed since.
 */
import type { DecodedPayment } from "./decode-payment.ts";
import { MAX_TIMEOUT_SECONDS, type Offer, isInV1 } from "./offer.ts";
import type { QuotedTerms } from "./quote-token.ts";
import type { PayloadTerms } from "./scheme.ts";

/** Room for a client's clock that runs ahead of ours (design: payment identity). */
const VALIDITY_SLACK_MS = 300_000;

/** An authorization must outlive verify, handler and settle, or it would expire in our hands. */
const VALIDITY_LEFT_MIN_MS = 20_000;

/** Why a payment does not fit: the reasons facilitators' are normalised to (`facilitator/reasons.ts`), and our own. */
export type TermsRefusal =
  | "scheme_mismatch"
  | "network_mismatch"
  | "offer_not_matched"
  | "resource_mismatch"
  | "quote_invalid"
  | "quote_expired"
  | "amount_mismatch"
  | "recipient_mismatch"
  | "authorization_not_yet_valid"
  | "authorization_expired"
  | "authorization_valid_too_long"
  | "payer_is_payee"
  | "extension_echo_mismatch";

export interface TermsContext {
  readonly tenantId: string;
  readonly route: string;
  /** URL of what is sold, as the 402 says it. */
  readonly resourceUrl: string;
  /** What the payment says that it pays, as it is offered now; the price of a valid quote takes its place. */
  readonly offer: Offer;
  /** The quote the payment carries: null when it has none, `invalid` when we did not sign it. */
  readonly quote: QuotedTerms | "invalid" | null;
  readonly nowMs: number;
}

/** The amount this payment has to pay: what its quote says, or what is offered now. */
export function amountDue({ offer, quote }: Pick<TermsContext, "offer" | "quote">): bigint {
  return quote === null || quote === "invalid" ? offer.amountAtomic : BigInt(quote.amountAtomic);
}

/**
 * The offer that a payment is for: in v2 the one it says it accepted, in v1 the one on its network.
 * @returns why there is none, where there is none
 */
export function matchOffer(
  payment: DecodedPayment,
  offers: readonly Offer[],
): Offer | ReturnType<typeof mismatchOf> {
  const { method, network, accepted } = payment;
  const offer = offers.find(
    (each) =>
      each.scheme === method &&
      each.network.caip2 === network &&
      (accepted === null ? isInV1(each) : each.asset.address === accepted.asset),
  );
  return offer ?? mismatchOf(payment, offers);
}

/** What is wrong with a payment that is for none of the offers. */
export function mismatchOf(
  { scheme: name, network }: Pick<DecodedPayment, "scheme" | "network">,
  offers: readonly Offer[],
): "scheme_mismatch" | "network_mismatch" | "offer_not_matched" {
  if (!offers.some(({ scheme }) => scheme.name === name)) return "scheme_mismatch";
  return offers.some((each) => each.network.caip2 === network)
    ? "offer_not_matched"
    : "network_mismatch";
}

/** Null when it fits. */
export function refuseTerms(payment: DecodedPayment, context: TermsContext): TermsRefusal | null {
  return (
    refuseQuote(context) ??
    refuseAccepted(payment, context) ??
    refuseResource(payment, context) ??
    context.offer.scheme.refuse(payment, payloadTerms(context)) ??
    refuseAuthorization(payment, context)
  );
}

function payloadTerms(context: TermsContext): PayloadTerms {
  const { asset, payTo, facilitator } = context.offer;
  const facilitatorExtra = facilitator?.extra ?? {};
  return { asset, payTo, facilitatorExtra, amountAtomic: amountDue(context) };
}

/** What a scheme binds to a facilitator can't be paid without the quote that says which. */
function refuseQuote({ quote, tenantId, route, offer, nowMs }: TermsContext): TermsRefusal | null {
  if (quote === null) return offer.scheme.isFacilitatorBound ? "quote_invalid" : null;
  if (quote === "invalid") return "quote_invalid";
  const quotedHere =
    quote.tenantId === tenantId &&
    quote.route === route &&
    quote.scheme === offer.scheme.name &&
    quote.transferMethod === offer.scheme.transferMethod &&
    quote.network === offer.network.caip2 &&
    quote.asset === offer.asset.address &&
    quote.payTo === offer.payTo &&
    (quote.facilitator !== null) === offer.scheme.isFacilitatorBound;
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
    accepted.asset === context.offer.asset.address &&
    accepted.payTo === context.offer.payTo &&
    BigInt(accepted.amount) === amountDue(context);
  return fits ? null : "offer_not_matched";
}

/**
 * What a payment says it is for is not signed, so this stops accidents and careless relays only, not the payer
 * (x402 #2842).
 */
function refuseResource(
  payment: DecodedPayment,
  { resourceUrl }: TermsContext,
): TermsRefusal | null {
  const isForThis = payment.resourceUrl === null || payment.resourceUrl === resourceUrl;
  return isForThis ? null : "resource_mismatch";
}

function refuseAuthorization(payment: DecodedPayment, context: TermsContext): TermsRefusal | null {
  const { offer, nowMs } = context;
  if (payment.from === offer.payTo) return "payer_is_payee";
  if (payment.validAfterMs >= nowMs) return "authorization_not_yet_valid";
  if (payment.validBeforeMs < nowMs + VALIDITY_LEFT_MIN_MS) return "authorization_expired";
  const latestMs = nowMs + MAX_TIMEOUT_SECONDS * 1_000 + VALIDITY_SLACK_MS;
  return payment.validBeforeMs > latestMs ? "authorization_valid_too_long" : null;
}
