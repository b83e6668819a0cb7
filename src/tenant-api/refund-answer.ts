import type { RefundReply } from "../contracts/refunds.ts";
import { problem } from "../payment/problems/problem.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";

/** Why a tenant can give nothing back through the platform; null when it can. */
export function refundRefused({ collection }: Pick<TenantRecord, "collection">): Response | null {
  return collection === "direct"
    ? problem("direct_collection", {
        detail: "Payers pay this tenant's own wallet: refund them from there.",
      })
    : null;
}

/** The ledger's reply to a request for a refund, for tenants and operators alike. */
export function refundAnswer(reply: RefundReply): Response {
  switch (reply.result) {
    case "accepted":
      return Response.json(reply.refund, {
        status: 201,
        headers: {
          Location: `/v1/refunds/${reply.refund.refundId}`,
          ...(reply.replayed ? { "Idempotent-Replayed": "true" } : {}),
        },
      });
    case "over_payout_cap":
      return problem("over_payout_cap", {
        detail: `One refund is at most ${reply.capAtomic} atomic units: give it back by other means.`,
        extra: { capAtomic: reply.capAtomic.toString() },
      });
    case "no_payer":
      return problem("nothing_to_refund", { detail: "It was minted: nobody sent it." });
    case "not_found":
    case "nothing_to_refund":
    case "payment_not_confirmed":
    case "refund_may_still_land":
      return problem(reply.result);
    default:
      return reply satisfies never;
  }
}
