/** The 402: what is sold and how to pay for it, for v2 clients in the header and for v1 clients in the body. */
import type { PlatformConfig } from "../config.ts";
import type { PaymentKind } from "../facilitator/payment-kind.ts";
import { advertisedExtensions, encodePaymentRequired } from "../payment/extensions/advertise.ts";
import { SIGN_IN_RANDOM_BYTES } from "../payment/extensions/sign-in-with-x.ts";
import { PAYMENT_REQUIRED_HEADER } from "../payment/header-codec.ts";
import { EVM_NAMESPACE, namespaceOf } from "../payment/networks.ts";
import {
  MAX_TIMEOUT_SECONDS,
  type Offer,
  type Quote,
  paymentRequiredV1,
  paymentRequiredV2,
} from "../payment/offer.ts";
import { problem } from "../payment/problems/problem.ts";
import { QUOTE_NONCE_BYTES, signQuote } from "../payment/quote-token.ts";
import { discoveredRoute } from "./discovered-route.ts";
import { type PaidRoute, offersInV1 } from "./paid-route.ts";

/** Health checks look for a facilitator every 15 s: by then there have been two. */
const NOTHING_TO_OFFER_RETRY_SECONDS = "30";

/** What went wrong with a payment, when there was one. */
export interface ChallengeReason {
  /** Machine code: `payment_required`, or the normalised reason of a refusal. */
  readonly code: string;
  /** One sentence for people. */
  readonly error: string;
  readonly status?: "required" | "not-charged" | "failed";
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly paymentId?: string;
}

const PAYMENT_REQUIRED: ChallengeReason = {
  code: "payment_required",
  error: "Payment required",
  status: "required",
};

/** A 402 with a fresh quote for each way to pay. Touches no Durable Object. */
export async function challenge(
  paid: PaidRoute,
  config: PlatformConfig,
  nowMs: number,
  reason: ChallengeReason = PAYMENT_REQUIRED,
): Promise<Response> {
  const { resource } = paid;
  const quotes = await freshQuotes(paid, config, nowMs);
  if (quotes.length === 0) return nothingToOffer();
  const refused = reason.code !== PAYMENT_REQUIRED.code;
  const headers = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Payment-Status": reason.status ?? "not-charged",
    [PAYMENT_REQUIRED_HEADER]: encodePaymentRequired(
      paymentRequiredV2(quotes, resource, refused ? reason.code : reason.error),
      extensionsOf(paid, quotes, config, nowMs),
    ),
    ...Object.fromEntries(reason.headers ?? []),
  };
  const body = {
    ...paymentRequiredV1(offersInV1(paid), resource, refused ? reason.code : reason.error),
    code: reason.code,
    detail: reason.error,
    ...(reason.paymentId === undefined ? {} : { paymentId: reason.paymentId }),
  };
  return new Response(JSON.stringify(body), { status: 402, headers });
}

function extensionsOf(
  paid: PaidRoute,
  quotes: readonly Quote[],
  config: PlatformConfig,
  nowMs: number,
) {
  const { baseDomain, environment, quoteSecret } = config;
  return advertisedExtensions(
    {
      ...discoveredRoute(paid),
      place: { tenantId: paid.snapshot.tenantId, uri: paid.url, secret: quoteSecret },
      networks: evmNetworksOf(paid.offers),
      offers: quotes.map(({ offer }) => ({
        scheme: offer.scheme.name,
        network: offer.network.caip2,
        asset: offer.asset.address,
        payTo: offer.payTo,
        amount: String(offer.amountAtomic),
        expiresAtSeconds: quoteExpiresAtSeconds(paid, nowMs),
      })),
      facilitatorExtensions: paid.offers.some(({ scheme }) => scheme.transferMethod === "permit2")
        ? paid.listedExtensions()
        : [],
      baseDomain,
      environment,
    },
    nowMs,
    crypto.getRandomValues(new Uint8Array(SIGN_IN_RANDOM_BYTES)),
  );
}

/** Wallets sign in on EVM networks. */
function evmNetworksOf(offers: readonly Offer[]): string[] {
  const networks = offers.map(({ network }) => network.caip2);
  return [...new Set(networks)].filter((caip2) => namespaceOf(caip2) === EVM_NAMESPACE);
}

/** A scheme that is bound is offered only where a facilitator can be named, chosen anew for each quote. */
async function freshQuotes(
  paid: PaidRoute,
  config: PlatformConfig,
  nowMs: number,
): Promise<Quote[]> {
  const quotes: Quote[] = [];
  for (const offer of paid.offers) {
    const facilitator = offer.scheme.isFacilitatorBound
      ? await paid.facilitators().facilitatorForQuote(kindOf(offer), paid.snapshot.tenantId)
      : null;
    if (offer.scheme.isFacilitatorBound && facilitator === null) continue;
    const quoted = { ...offer, facilitator };
    quotes.push({ offer: quoted, token: tokenFor(quoted, paid, config, nowMs) });
  }
  return quotes;
}

function kindOf({ scheme, network }: Offer): PaymentKind {
  return { x402Version: 2, scheme: scheme.name, network: network.caip2 };
}

function tokenFor(offer: Offer, paid: PaidRoute, config: PlatformConfig, nowMs: number): string {
  return signQuote(
    {
      tenantId: paid.snapshot.tenantId,
      route: paid.route.path,
      scheme: offer.scheme.name,
      transferMethod: offer.scheme.transferMethod,
      network: offer.network.caip2,
      asset: offer.asset.address,
      amountAtomic: String(offer.amountAtomic),
      payTo: offer.payTo,
      version: paid.snapshot.version,
      expiresAtSeconds: quoteExpiresAtSeconds(paid, nowMs),
      facilitator: offer.facilitator,
    },
    crypto.getRandomValues(new Uint8Array(QUOTE_NONCE_BYTES)),
    config.quoteSecret,
  );
}

/** A refusal never prolongs what is not on sale any more. */
function quoteExpiresAtSeconds({ offeredUntilSeconds }: PaidRoute, nowMs: number): number {
  const latest = Math.floor(nowMs / 1_000) + MAX_TIMEOUT_SECONDS;
  return Math.min(latest, offeredUntilSeconds ?? Infinity);
}

/** x402 has no 402 without a way to pay: all of them are bound, and no facilitator is known to serve one. */
function nothingToOffer(): Response {
  return problem("facilitator_unavailable", {
    detail: "No facilitator that could take a payment for this is known just now.",
    headers: { "Retry-After": NOTHING_TO_OFFER_RETRY_SECONDS, "Payment-Status": "not-charged" },
  });
}
