import type { ClaimReply } from "../contracts/ledger.ts";
import { problem } from "../payment/problems/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";

/** A payment that could be taken, for a tenant that takes none now. It stays good: nothing was charged. */
export function answerNotAdmitted({
  code,
  limit,
  retryAfterMs,
}: Extract<ClaimReply, { result: "not_admitted" }>): Response {
  const reason =
    limit === null ? "This API is suspended" : `This API has reached its limit ${limit}`;
  return problem(code, {
    detail: `${reason}. Nothing was charged: the same header can be sent again later.`,
    headers: {
      "Payment-Status": "not-charged",
      ...(retryAfterMs === null ? {} : { "Retry-After": retryAfterSeconds(retryAfterMs) }),
    },
    ...(limit === null ? {} : { extra: { limit } }),
  });
}
