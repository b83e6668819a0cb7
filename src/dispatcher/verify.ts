import type { RequestedKind } from "../facilitator/payment-kind.ts";
import { problem } from "../payment/problems/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { answerRefused } from "./answer-refused.ts";
import type { IdentifiedCall } from "./identified-call.ts";
import { extensionsForFacilitator, wirePayment } from "./wire-payment.ts";

/** When no facilitator said anything better. */
const RETRY_AFTER_MS = 2_000;

export type Verified =
  /** By whom; null when nobody had to be asked. */
  | { readonly ok: true; readonly facilitatorId: string | null }
  | { readonly ok: false; readonly response: Response };

/**
 * Has the payment verified before the handler runs. An upfront payment is settled before that, which checks it better
 * (x402: `/verify` is not called), unless a settlement could end in doubt that a facilitator can see coming.
 * @param paymentId null while it has none
 */
export async function verifyPayment(
  call: IdentifiedCall,
  paymentId: string | null,
): Promise<Verified> {
  if (isCheckedBySettling(call)) return { ok: true, facilitatorId: null };
  const { facilitatorId, outcome } = await call.facilitators.verify(wirePayment(call), {
    kind: kindOf(call),
    boundFacilitatorId: call.offer.facilitator?.facilitatorId ?? null,
    tenantId: call.paid.snapshot.tenantId,
    signatureProved: call.signatureProved,
  });
  switch (outcome.class) {
    case "valid":
      return { ok: true, facilitatorId };
    case "invalid":
      return {
        ok: false,
        response: await answerRefused(call, {
          code: outcome.reason,
          detail: `A facilitator refused the payment: ${outcome.reason}.`,
        }),
      };
    case "unavailable":
      return { ok: false, response: answerUnavailable(paymentId, outcome.retryAfterMs) };
    default:
      return outcome satisfies never;
  }
}

/**
 * A signature that can't be checked here must not bind anything before a facilitator has seen it; and Permit2 without
 * its payer's approval fails as a transaction, which would leave open for minutes what is a 412.
 */
function isCheckedBySettling({ paid, offer, signatureProved }: IdentifiedCall): boolean {
  const isUpfront = paid.route.settlement === "before";
  return isUpfront && signatureProved && offer.scheme.transferMethod !== "permit2";
}

/** Nobody can be asked now, and nothing was charged. */
export function answerUnavailable(paymentId: string | null, retryAfterMs: number | null): Response {
  return problem("facilitator_unavailable", {
    detail: "No facilitator could take the payment. Nothing was charged.",
    headers: {
      "Retry-After": retryAfterSeconds(retryAfterMs ?? RETRY_AFTER_MS),
      "Payment-Status": "not-charged",
    },
    extra: paymentId === null ? {} : { paymentId },
  });
}

/** What facilitators are chosen by. */
export function kindOf(call: Pick<IdentifiedCall, "offer" | "payment">): RequestedKind {
  const { x402Version, network, scheme } = call.payment;
  return { x402Version, network, scheme, extensions: Object.keys(extensionsForFacilitator(call)) };
}
