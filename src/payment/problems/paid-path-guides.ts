/** What the errors mean that a payer can meet (problem-guide.ts). */
import type { ProblemCode } from "./problem.ts";
import type { ProblemGuide } from "./problem-guide.ts";

const PAYMENT_ID = "pay_acme_0mwsx76byqrsfg4va8rszcp54axw5";
const STATUS_URL = `https://402claw.example/payments/${PAYMENT_ID}`;
const NOT_CHARGED = { "Payment-Status": "not-charged" } as const;
const QUOTES = { "PAYMENT-REQUIRED": "eyJ4NDAyVmVyc2lvbiI6Mi…" } as const;

export const PAID_PATH_GUIDES = {
  payment_required: {
    cause: "The call has a price and came without a payment.",
    remedy: "Sign one of `accepts` and send the request again with the payment header.",
    payment: { charged: "no", next: "sign" },
    example: { headers: { "Payment-Status": "required", ...QUOTES } },
  },
  settlement_failed: {
    cause: "The payment was sent to be settled, and it is certain that it will never land.",
    remedy: "Sign again: the first payment can no longer land.",
    payment: { charged: "no", next: "sign" },
    example: {
      headers: {
        "Payment-Status": "failed",
        ...QUOTES,
        "PAYMENT-RESPONSE": "eyJzdWNjZXNzIjpmYWxzZS…",
      },
      extra: { paymentId: PAYMENT_ID },
    },
  },
  permit2_allowance_required: {
    cause: "The payment moves the asset through Permit2, which the payer has not approved for it.",
    remedy: "Approve Permit2 for the asset, then send the same header again.",
    payment: { charged: "no", next: "resend" },
    example: { headers: { ...NOT_CHARGED, ...QUOTES } },
  },
  malformed_payment: {
    cause:
      "The payment header is not padded base64 of a JSON document of its x402 version, or this API does not take that version.",
    remedy:
      "Fix the header: padded base64 of UTF-8 JSON, plain decimal amounts, hex addresses. `detail` names the field, or the version to pay by.",
    payment: { charged: "no", next: "fix" },
    example: { detail: "PAYMENT-SIGNATURE is not base64.", headers: NOT_CHARGED },
  },
  payment_identifier_required: {
    cause: "The route takes payments only with an id of the client's own.",
    remedy: "Put an id of 16 to 128 characters into `extensions.payment-identifier.info.id`.",
    payment: { charged: "no", next: "fix" },
    example: {
      detail: "Send an id of your own in extensions.payment-identifier.info.id.",
      headers: NOT_CHARGED,
    },
  },
  invalid_parameter: {
    cause: "A parameter is unknown, or its value does not fit its column.",
    remedy: "Fix the parameter that `parameter` names; `detail` shows an example.",
    payment: { charged: "no", next: "fix" },
    example: {
      detail: "must be an integer from 1 to 1000, for example limit=100",
      headers: NOT_CHARGED,
      extra: { parameter: "limit" },
    },
  },
  payment_conflict: {
    cause:
      "The same authorization or payment-identifier came before with another request or signature.",
    remedy:
      "Nothing was charged for this request. Make a new payment, with an id of its own: this one is bound to another request or signature.",
    payment: { charged: "no", next: "sign" },
    example: { detail: "Make a new payment for this request.", headers: NOT_CHARGED },
  },
  payment_in_progress: {
    cause: "An earlier send of this payment is still being worked on.",
    remedy:
      "Send the same header again after `Retry-After`, or poll `statusUrl`. It is charged once.",
    payment: { charged: "unknown", next: "resend" },
    example: {
      detail: "Resend the same header: it will get the answer, and is charged once.",
      headers: { "Retry-After": "1", "Payment-Status": "unknown" },
      extra: { paymentId: PAYMENT_ID, statusUrl: STATUS_URL },
    },
  },
  replay_proof_required: {
    cause:
      "The payment was answered before, and this send shows nothing that only its payer knows: what is on the chain is public.",
    remedy:
      "Send the quote, payment-identifier or Idempotency-Key of the first request, or sign in with the payer's wallet.",
    payment: { charged: "yes", next: "resend" },
    example: { headers: { "Payment-Status": "settled" }, extra: { paymentId: PAYMENT_ID } },
  },
  response_expired: {
    cause: "The payment was settled and answered longer ago than answers are kept.",
    remedy:
      "The payment settled (`PAYMENT-RESPONSE` says where) and its answer was kept for the plan's retention. Make a new payment for a new answer.",
    payment: { charged: "yes", next: "sign" },
    example: { headers: { "Payment-Status": "settled" }, extra: { paymentId: PAYMENT_ID } },
  },
  facilitator_unavailable: {
    cause: "No facilitator could be reached to check the payment.",
    remedy: "Nothing was charged. Send the same header again after `Retry-After`.",
    payment: { charged: "no", next: "resend" },
    example: {
      detail: "No facilitator could take the payment. Nothing was charged.",
      headers: { "Retry-After": "2", ...NOT_CHARGED },
      extra: { paymentId: PAYMENT_ID },
    },
  },
  settlement_unknown: {
    cause: "The payment was sent to be settled and no certain answer has come yet.",
    remedy:
      "**Send the same header again** after `Retry-After`, or poll `statusUrl`. Do not sign again; if you do, you are not charged twice.",
    payment: { charged: "unknown", next: "resend" },
    example: {
      detail: "The payment may have settled. Resend the same header until it is decided.",
      headers: { "Retry-After": "2", "Payment-Status": "unknown" },
      extra: { paymentId: PAYMENT_ID, statusUrl: STATUS_URL },
    },
  },
  handler_failed: {
    cause: "What answers this route threw, timed out or could not be reached.",
    remedy:
      "Nothing was charged, except on a route that settles before: there the same header runs the handler again.",
    payment: { charged: "depends", next: "resend" },
    example: { headers: NOT_CHARGED, extra: { paymentId: PAYMENT_ID } },
  },
  response_too_large: {
    cause: "The answer is larger than the seller's plan lets it sell.",
    remedy: "Nothing was charged. Ask for less (`limit`, `select`).",
    payment: { charged: "no", next: "fix" },
    example: { detail: "The answer is over 1048576 bytes.", headers: NOT_CHARGED },
  },
  response_not_storable: {
    cause:
      "The answer is an event stream on a route whose answers are stored before they are paid.",
    remedy: 'Nothing was charged. The tenant has to sell streams with `settlement: "before"`.',
    payment: { charged: "no", next: "nothing" },
    example: { headers: NOT_CHARGED },
  },
  paid_undelivered: {
    cause: "The payment was settled first, and the route failed as often as it is tried.",
    remedy:
      "The payment settled and nothing can be delivered for it: the tenant owes a refund (see the receipt).",
    payment: { charged: "yes", next: "nothing" },
    example: { headers: { "Payment-Status": "settled" }, extra: { paymentId: PAYMENT_ID } },
  },
  rate_limited: {
    cause:
      "More requests came than are taken from one caller, or from one payer, at a time, or too many of their payments came to nothing.",
    remedy:
      "Wait for `Retry-After`; after a payment, send the same header again. It was not charged by this call; where `Payment-Status` is `unknown`, nobody looked whether an earlier one was.",
    payment: { charged: "no", next: "resend" },
    example: { headers: { "Retry-After": "1", ...NOT_CHARGED } },
  },
  tenant_limit_exceeded: {
    cause: "The API has used up what its seller's plan allows for now.",
    remedy: "Nothing was charged. Wait; the API's owner can ask for more.",
    payment: { charged: "no", next: "resend" },
    example: { headers: { "Retry-After": "60", ...NOT_CHARGED } },
  },
  tenant_suspended: {
    cause: "An operator, or the platform by itself, has stopped new payments to this API.",
    remedy:
      "Nothing was charged. With `Retry-After` it ends by itself then; else ask the API's owner. What was paid before is still answered.",
    payment: { charged: "no", next: "resend" },
    example: { headers: NOT_CHARGED },
  },
  unknown_tenant: {
    cause: "Nobody sells anything under this name.",
    remedy: "Check the name in the URL.",
    payment: { charged: "no", next: "fix" },
  },
  unknown_route: {
    cause: "This API sells nothing at this path.",
    remedy: "Check the path; it is compared exactly.",
    payment: { charged: "no", next: "fix" },
  },
  unknown_payment: {
    cause: "There is no payment with this id.",
    remedy: "Check the id.",
  },
  invalid_path: {
    cause: "The path can be read in more than one way, or is too long, so it is not read at all.",
    remedy:
      "Send the canonical path (docs/http.md): no empty, dot or encoded-slash segments, no slash at the end.",
    payment: { charged: "no", next: "fix" },
    example: { detail: "The path has an empty segment." },
  },
  method_not_allowed: {
    cause: "The route does not take this HTTP method.",
    remedy: "Use a method that `Allow` names. Nothing was charged.",
    payment: { charged: "no", next: "fix" },
    example: { headers: { Allow: "GET", ...NOT_CHARGED } },
  },
  payload_too_large: {
    cause: "The request's body is larger than this route takes.",
    remedy: "Send less; `detail` has the limit.",
    payment: { charged: "no", next: "fix" },
    example: { detail: "The request body is over 102400 bytes; nothing was charged." },
  },
  internal_error: {
    cause: "A fault of the platform.",
    remedy: "Try again; if you paid, send the same header again.",
    payment: { charged: "unknown", next: "resend" },
    example: { detail: "Try again; if you paid, resend the same header." },
  },
} as const satisfies Partial<Record<ProblemCode, ProblemGuide>>;
