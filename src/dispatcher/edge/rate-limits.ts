/** 429: who asks too often without paying, and whose payments come to nothing too often. */
import { problem } from "../../payment/problems/problem.ts";
import { retryAfterSeconds } from "../../payment/retry-after.ts";
import { callerNetwork } from "./caller-network.ts";

/** The period of `UNPAID_LIMITER` in wrangler.toml. */
const UNPAID_PERIOD_MS = 10_000;

/**
 * Refuses what carries no payment when its address has sent too much of that: 2,000 per 10 seconds and location
 * (`wrangler.toml`), which no agent reaches by what it buys. Null when it may go on.
 */
export async function limitUnpaid(
  env: Pick<Env, "UNPAID_LIMITER">,
  request: Request,
): Promise<Response | null> {
  const address = callerNetwork(request);
  if (address === null) return null;
  const { success } = await env.UNPAID_LIMITER.limit({ key: address });
  return success
    ? null
    : problem("rate_limited", {
        detail: "Too many requests without a payment came from this address.",
        headers: { "Retry-After": retryAfterSeconds(UNPAID_PERIOD_MS) },
      });
}

/** Of a payment nobody has looked at: it may be one that is settled already, so nothing is said about its money. */
export function paymentSlowed(waitMs: number): Response {
  return problem("rate_limited", {
    detail:
      "Too many payments of this payer, or from this address, came to nothing. Resend the same header.",
    headers: { "Retry-After": retryAfterSeconds(waitMs), "Payment-Status": "unknown" },
  });
}
