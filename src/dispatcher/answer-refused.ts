/** The answer to a payment that is not taken: why, and what its client can do about it (docs/errors.md). */
import { PAYMENT_REQUIRED_HEADER } from "../payment/header-codec.ts";
import { PERMIT2_ADDRESS } from "../payment/permit2-contracts.ts";
import { problem } from "../payment/problems/problem.ts";
import { type ChallengeReason, challenge } from "./challenge.ts";
import type { IdentifiedCall, Refusal } from "./identified-call.ts";

/** A payment that was not taken: 402 with a fresh quote, or 400 where the request itself is at fault. */
export function answerRefused(
  call: IdentifiedCall,
  refusal: Refusal,
): Promise<Response> | Response {
  if (refusal.parameter !== undefined) {
    return problem("invalid_parameter", {
      detail: refusal.detail,
      headers: { "Payment-Status": "not-charged" },
      extra: { parameter: refusal.parameter },
    });
  }
  if (refusal.code === "malformed_payment") {
    return problem("malformed_payment", {
      detail: refusal.detail,
      headers: { "Payment-Status": "not-charged" },
    });
  }
  if (refusal.code === "payment_identifier_required") {
    return problem("payment_identifier_required", {
      detail: "Send an id of your own in extensions.payment-identifier.info.id.",
      headers: { "Payment-Status": "not-charged" },
    });
  }
  if (refusal.code === "method_not_allowed") {
    return problem("method_not_allowed", {
      detail: refusal.detail,
      headers: { Allow: call.paid.route.methods.join(", "), "Payment-Status": "not-charged" },
    });
  }
  if (refusal.code === "rate_limited") {
    return problem("rate_limited", {
      detail:
        "This payer has too many payments in flight or too many calls that were not charged, or this API has. Nothing was charged; resend the same header.",
      headers: { "Retry-After": "1", "Payment-Status": "not-charged" },
    });
  }
  const reason = { code: refusal.code, error: refusal.detail };
  return refusal.code === "permit2_allowance_required"
    ? answerAllowanceRequired(call, reason)
    : challenge(call.paid, call.config, Date.now(), reason);
}

/** A 412 with the quotes of a 402: the payment is good once its payer has approved Permit2 (scheme_exact_evm.md). */
async function answerAllowanceRequired(
  call: IdentifiedCall,
  reason: ChallengeReason,
): Promise<Response> {
  const unpaid = await challenge(call.paid, call.config, Date.now(), reason);
  const quotes = unpaid.headers.get(PAYMENT_REQUIRED_HEADER);
  // Nothing can be offered just now, and it says so.
  if (quotes === null) return unpaid;
  const { asset, network } = call.offer;
  return problem("permit2_allowance_required", {
    detail: `Nothing was charged. Approve ${PERMIT2_ADDRESS} for at least ${call.amountAtomic} atomic units of ${asset.address} on ${network.caip2}, then send the same header again.`,
    headers: {
      "Payment-Status": "not-charged",
      [PAYMENT_REQUIRED_HEADER]: quotes,
    },
  });
}
