/**
 * Every error this platform answers with: one table, one shape (RFC 9457 problem details). The code is the contract
 * with machines, the title is for people; `problem-guide.ts` explains each to them, on the page that `type` names.
 */
import { platformUrl } from "../platform-url.ts";
import type { JsonValue } from "../wire.ts";

const PROBLEMS = {
  // The paid path.
  payment_required: { status: 402, title: "This call has a price: sign the quote and resend" },
  settlement_failed: { status: 402, title: "The settlement finally failed: sign again" },
  permit2_allowance_required: { status: 412, title: "Approve Permit2 for the asset, then resend" },
  payment_identifier_required: {
    status: 400,
    title: "This route wants a payment-identifier; nothing was charged",
  },
  malformed_payment: { status: 400, title: "The payment header can't be read" },
  invalid_parameter: { status: 400, title: "A parameter is malformed; nothing was charged" },
  payment_conflict: { status: 409, title: "This payment is bound to another request or payload" },
  payment_in_progress: {
    status: 409,
    title: "This payment is being processed: resend the same header",
  },
  replay_proof_required: {
    status: 409,
    title: "Show the quote or identifier of the first request",
  },
  response_expired: { status: 410, title: "Paid, but the stored answer is no longer kept" },
  facilitator_unavailable: {
    status: 503,
    title: "No facilitator answers: resend the same header later",
  },
  settlement_unknown: {
    status: 503,
    title: "The settlement's outcome is not known yet: resend the same header",
  },
  handler_failed: { status: 502, title: "The handler failed" },
  response_too_large: {
    status: 502,
    title: "The answer is over this plan's cap; nothing was charged",
  },
  response_not_storable: {
    status: 502,
    title: "The answer is a stream, which can't be stored; nothing was charged",
  },
  paid_undelivered: {
    status: 502,
    title: "Paid, and never delivered: a refund is due",
  },
  rate_limited: { status: 429, title: "Too many requests" },
  tenant_limit_exceeded: { status: 429, title: "This API has used up what its plan allows" },
  tenant_suspended: { status: 503, title: "This API is suspended: it takes no new payments" },
  unknown_tenant: { status: 404, title: "No such API" },
  unknown_route: { status: 404, title: "This API has no such route" },
  unknown_payment: { status: 404, title: "No such payment" },
  invalid_path: { status: 400, title: "The path is not in canonical form" },
  /** What tenants' code gets in place of an answer from outside. */
  egress_denied: { status: 403, title: "The egress policy does not allow this connection" },
  // The control plane.
  unauthorized: { status: 401, title: "A credential is needed" },
  forbidden: { status: 403, title: "This credential may not do that" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "This route has no such method" },
  invalid_request: { status: 400, title: "The request is not valid" },
  unsupported_media_type: { status: 415, title: "This media type is not accepted here" },
  payload_too_large: { status: 413, title: "The body is too large" },
  tenant_exists: { status: 409, title: "This tenant id or wallet is taken" },
  wallet_proof_invalid: { status: 400, title: "The wallet is not proved to be this tenant's own" },
  tenant_not_empty: { status: 409, title: "This tenant still has money or payments of its payers" },
  last_api_key: { status: 409, title: "A tenant's last valid API key can't be revoked" },
  too_many_overrides: { status: 409, title: "This tenant has as many limit overrides as it may" },
  override_decided: { status: 409, title: "This limit override was decided already" },
  too_many_api_keys: { status: 409, title: "This tenant has as many valid API keys as it may" },
  dataset_not_uploaded: { status: 409, title: "Upload the dataset before deploying a route on it" },
  script_not_uploaded: { status: 409, title: "Upload the script before deploying a route on it" },
  scripts_unavailable: {
    status: 503,
    title: "Scripts can't be deployed just now; nothing was changed",
  },
  deployment_incomplete: { status: 409, title: "Something this deployment needs is gone" },
  price_too_small: { status: 400, title: "The price is less than one atomic unit" },
  idempotency_key_required: {
    status: 400,
    title: "Send an Idempotency-Key of 16 to 255 characters",
  },
  idempotency_key_conflict: {
    status: 409,
    title: "This Idempotency-Key belongs to another request",
  },
  nothing_available: { status: 409, title: "Nothing confirmed is available to pay out" },
  over_payout_cap: { status: 400, title: "One payout can't be that large: pay out in parts" },
  payment_decided: { status: 409, title: "This payment is settled or failed already" },
  attempt_in_flight: { status: 409, title: "A settlement attempt is under way: look again soon" },
  region_unreachable: {
    status: 503,
    title: "The health of some regions can't be reached: send it again",
  },
  evidence_required: { status: 409, title: "A payout is resolved by the chain's evidence only" },
  nothing_to_release: { status: 409, title: "No stored answer could be let go" },
  nothing_to_refund: { status: 409, title: "Nothing of this is owed to its payer" },
  payment_not_confirmed: { status: 409, title: "The chain has not confirmed this payment yet" },
  refund_may_still_land: { status: 409, title: "An earlier refund failed and may still land" },
  direct_collection: { status: 409, title: "This tenant is paid to a wallet of its own" },
  insufficient_available_funds: { status: 409, title: "Less than that is available to pay out" },
  internal_error: { status: 500, title: "Something broke on our side" },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS).filter(isProblemCode);

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

export interface ProblemOptions {
  /** What is wrong with this request, and the remedy, in one or two sentences. */
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the document, for example `paymentId` or `errors`. */
  readonly extra?: Readonly<Record<string, JsonValue>>;
}

/** The problem's HTTP status. */
export function problemStatus(code: ProblemCode): number {
  return PROBLEMS[code].status;
}

/** What the code means, in one line. */
export function problemTitle(code: ProblemCode): string {
  return PROBLEMS[code].title;
}

/** The document alone, for answers that carry it inside another one. */
export function problemDocument(
  code: ProblemCode,
  options: Pick<ProblemOptions, "detail" | "extra"> = {},
): Record<string, JsonValue> {
  const { status, title } = PROBLEMS[code];
  return {
    type: platformUrl(`/errors/${code}`),
    title,
    status,
    code,
    ...(options.detail === undefined ? {} : { detail: options.detail }),
    ...options.extra,
  };
}

/** A response with the problem's status and document; errors are never cached. */
export function problem(code: ProblemCode, options: ProblemOptions = {}): Response {
  return new Response(JSON.stringify(problemDocument(code, options)), {
    status: problemStatus(code),
    headers: {
      "Content-Type": "application/problem+json",
      "Cache-Control": "no-store",
      ...options.headers,
    },
  });
}
