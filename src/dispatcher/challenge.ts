/** The 402: what is sold and how to pay for it, for v2 clients in the header and for v1 clients in the body. */
import type { PlatformConfig } from "../config.ts";
import { PAYMENT_REQUIRED_HEADER, encodeHeader } from "../payment/header-codec.ts";
import { MAX_TIMEOUT_SECONDS, paymentRequiredV1, paymentRequiredV2 } from "../payment/offer.ts";
import { QUOTE_NONCE_BYTES, signQuote } from "../payment/quote-token.ts";
import type { PaidRoute } from "./paid-route.ts";

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

/** A 402 with a fresh quote. Touches no Durable Object. */
export async function challenge(
  paid: PaidRoute,
  config: PlatformConfig,
  nowMs: number,
  reason: ChallengeReason = PAYMENT_REQUIRED,
): Promise<Response> {
  const { offer, resource } = paid;
  const quote = freshQuote(paid, config, nowMs);
  const refused = reason.code !== PAYMENT_REQUIRED.code;
  const headers = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "Payment-Status": reason.status ?? "not-charged",
    [PAYMENT_REQUIRED_HEADER]: encodeHeader(
      paymentRequiredV2(offer, quote, resource, refused ? reason.code : reason.error),
    ),
    ...Object.fromEntries(reason.headers ?? []),
  };
  const body = {
    ...paymentRequiredV1(offer, resource, refused ? reason.code : reason.error),
    code: reason.code,
    detail: reason.error,
    ...(reason.paymentId === undefined ? {} : { paymentId: reason.paymentId }),
  };
  return new Response(JSON.stringify(body), { status: 402, headers });
}

function freshQuote(paid: PaidRoute, config: PlatformConfig, nowMs: number): string {
  const { offer } = paid;
  return signQuote(
    {
      tenantId: paid.snapshot.tenantId,
      route: paid.route.path,
      scheme: offer.scheme,
      network: offer.network.caip2,
      asset: offer.network.asset.address,
      amountAtomic: String(offer.amountAtomic),
      payTo: offer.payTo,
      version: paid.snapshot.version,
      expiresAtSeconds: Math.floor(nowMs / 1_000) + MAX_TIMEOUT_SECONDS,
    },
    crypto.getRandomValues(new Uint8Array(QUOTE_NONCE_BYTES)),
    config.quoteSecret,
  );
}
