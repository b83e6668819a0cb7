/** What is worked out about a paid call before the ledger is asked: who pays, for what, and whether it would be taken. */
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import type { PlatformConfig } from "../config.ts";
import { prepareRouting } from "../facilitator/gateway.ts";
import type { FacilitatorGateway } from "../facilitator/port.ts";
import { regionOf } from "../facilitator/region.ts";
import type { DecodedPayment } from "../payment/decode-payment.ts";
import { refuseExtensions } from "../payment/extensions/advertise.ts";
import { echoedIdentifier } from "../payment/extensions/echo.ts";
import { identifierHash } from "../payment/extensions/payment-identifier.ts";
import { sha256Hex } from "../payment/hash.ts";
import type { Offer } from "../payment/offer.ts";
import { paidAsset } from "../payment/paid-asset.ts";
import { type QuotedTerms, readQuote } from "../payment/quote-token.ts";
import { exactEip3009 } from "../payment/schemes/exact-eip3009.ts";
import { type TermsRefusal, amountDue, matchOffer, refuseTerms } from "../payment/terms.ts";
import type { SignedAuthorization } from "../settlement/authorization.ts";
import type { ReplayProofs } from "../settlement/payment.ts";
import { type Destination, type PaidRoute, checkParameters, isTakenInV1 } from "./paid-route.ts";

/** A request that carries a payment, whether or not anything is sold where it goes. */
export interface IncomingPayment {
  readonly env: Env;
  readonly execution: Pick<ExecutionContext, "waitUntil">;
  readonly config: PlatformConfig;
  readonly paid: Destination;
  readonly request: Request;
  readonly payment: DecodedPayment;
  readonly signed: SignedAuthorization;
  /** Whether the signature is known to be the payer's; a contract wallet's never is. */
  readonly signatureProved: boolean;
}

/** With what names it, and what its sender can show: enough to ask the ledger whether it is known. */
export interface IdentifiedPayment extends IncomingPayment {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly identity: string;
  readonly payloadDigest: string;
  readonly requestFingerprint: string;
  readonly proofs: ReplayProofs;
  /** The quote it carries: null when it has none, `invalid` when we did not sign it. */
  readonly quote: QuotedTerms | "invalid" | null;
  readonly ledger: LedgerClient;
}

export interface PaidCall extends IncomingPayment {
  readonly paid: PaidRoute;
}

/** A paid call with all that was worked out about it before the ledger is asked. */
export interface IdentifiedCall extends IdentifiedPayment {
  readonly paid: PaidRoute;
  /** What it is for, with the facilitator that was quoted. Where it fits none, it is refused, and this is the first. */
  readonly offer: Offer;
  /** Why it would be refused if it were new; null when it would be taken. */
  readonly refusal: Refusal | null;
  /** What it has to pay: its quote's price, or today's. Atomic units. */
  readonly amountAtomic: bigint;
  /** What is settled: all of it, until a handler with a maximum to charge from has said less. */
  readonly chargedAtomic: bigint;
  readonly facilitators: FacilitatorGateway;
}

export interface Refusal {
  readonly code: string;
  readonly detail: string;
  /** Set when a parameter is at fault and not the payment. */
  readonly parameter?: string;
}

/** Shorter keys could be guessed, and they open stored answers. */
const IDEMPOTENCY_KEY_LENGTH_MIN = 16;

export function identifyPayment(
  call: IncomingPayment,
  body: Uint8Array<ArrayBuffer>,
): IdentifiedPayment {
  const { env, config, paid, payment, request } = call;
  const { tenantId } = paid.snapshot;
  const asset = paidAsset(payment, config.networks, paid.network);
  const scheme = payment.method ?? exactEip3009;
  const identity = scheme.identity(payment.network, asset.address, payment);
  const token = payment.accepted?.quote ?? null;
  const identifier = echoedIdentifier(payment.extensions);
  const idempotencyKey = request.headers.get("Idempotency-Key");
  const quote = token === null ? null : (readQuote(token, config.quoteSecret) ?? "invalid");
  return {
    ...call,
    body,
    identity,
    payloadDigest: sha256Hex(
      JSON.stringify([identity, payment.signature, payment.to, String(payment.value)]),
    ),
    requestFingerprint: requestFingerprint(request, paid, body),
    proofs: {
      // Also of one that we do not know (any more): a new payment with it is refused, and a known one was made with it.
      quoteHash: token === null ? null : sha256Hex(token),
      identifierHash: identifier === null ? null : identifierHash(payment.from, identifier),
      idempotencyKeyHash:
        idempotencyKey === null || idempotencyKey.length < IDEMPOTENCY_KEY_LENGTH_MIN
          ? null
          : sha256Hex(idempotencyKey),
    },
    quote,
    ledger: ledgerOf(env, tenantId),
  };
}

/** What was asked for: a payment is bound to it. */
export function requestFingerprint(
  { method }: Request,
  { snapshot, target }: Destination,
  body: Uint8Array<ArrayBuffer>,
): string {
  return sha256Hex(JSON.stringify([method, snapshot.tenantId, target, sha256Hex(body)]));
}

export function identify(call: PaidCall, body: Uint8Array<ArrayBuffer>): IdentifiedCall {
  const { env, execution, paid, payment } = call;
  const region = regionOf(call.request.cf);
  prepareRouting(env, execution, region);
  const identified = identifyPayment(call, body);
  const { offer, mismatch } = offerFor(call, identified.quote);
  const context = {
    tenantId: paid.snapshot.tenantId,
    route: paid.route.path,
    resourceUrl: paid.resource.url,
    offer,
    quote: identified.quote,
    nowMs: Date.now(),
  };
  const amountAtomic = amountDue(context);
  return {
    ...identified,
    paid,
    offer,
    refusal: refuse(call, mismatch ?? refuseTerms(payment, context)),
    amountAtomic,
    chargedAtomic: amountAtomic,
    facilitators: paid.facilitators(),
  };
}

/** What is quoted of a facilitator is what counts for its payment, whatever that one lists by now. */
function offerFor(
  { paid, payment }: PaidCall,
  quote: IdentifiedPayment["quote"],
): { readonly offer: Offer; readonly mismatch: TermsRefusal | null } {
  const offer = matchOffer(payment, paid.offers);
  if (typeof offer === "string") return { offer: paid.offers[0], mismatch: offer };
  const facilitator = quote === null || quote === "invalid" ? null : quote.facilitator;
  return { offer: { ...offer, facilitator }, mismatch: null };
}

function refuse(call: PaidCall, termsRefusal: string | null): Refusal | null {
  const { paid, payment, request } = call;
  if (payment.x402Version === 1 && !isTakenInV1(paid.route)) {
    return {
      code: "malformed_payment",
      detail:
        "X-PAYMENT (x402 v1) is not taken here: sign a quote of PAYMENT-REQUIRED with a client for v2.",
    };
  }
  const code = termsRefusal ?? refuseExtensions(paid.route, payment.extensions);
  if (code !== null) {
    return { code, detail: `The payment does not fit this route: ${code}.` };
  }
  if (!paid.route.methods.some((method) => method === request.method)) {
    return {
      code: "method_not_allowed",
      detail: `This route answers ${paid.route.methods.join(", ")}; nothing was charged.`,
    };
  }
  const parameters = checkParameters(paid, request);
  return parameters === null
    ? null
    : {
        code: "invalid_parameter",
        detail: parameters.message,
        parameter: parameters.parameter,
      };
}
