/**
 * A call that carries a payment, step by step (docs/architecture.md): claim, verify, run, stage, settle, record,
 * answer. The ledger decides at every step; this file only carries its decisions out, and on any failure of its own
 * it leaves the ledger in a state from which a resend or the alarm goes on.
 */
import type { PlatformConfig } from "../config.ts";
import type { ClaimGrant, ClaimReply } from "../contracts/ledger.ts";
import { authorizationOf } from "../payment/decode-payment.ts";
import { problem } from "../payment/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { takeAnswered } from "./answered.ts";
import {
  afterClaim,
  answerDeclined,
  answerPaid,
  answerRefused,
  answerSettlementFailed,
  answerUnknown,
} from "./answers.ts";
import { type IdentifiedCall, type PaidCall, identify } from "./identified-call.ts";
import { REQUEST_BODY_BYTES_MAX, readBody } from "./request-body.ts";
import { type HandlerResult, runHandler } from "./run-handler.ts";
import { settle } from "./settle.ts";
import { wirePayment } from "./wire-payment.ts";

export async function paidCall(call: PaidCall): Promise<Response> {
  const body = await readBody(call.request.body, REQUEST_BODY_BYTES_MAX);
  if (!body.ok) {
    return problem("payload_too_large", {
      detail: `The request body is over ${REQUEST_BODY_BYTES_MAX} bytes; nothing was charged.`,
      headers: { "Payment-Status": "not-charged" },
    });
  }
  const identified = await identify(call, body.bytes);
  const reply = await identified.ledger.claim({
    identity: identified.identity,
    payloadDigest: identified.payloadDigest,
    requestFingerprint: identified.requestFingerprint,
    proofs: identified.proofs,
    payer: call.payment.from,
    refusal: identified.refusal?.code ?? null,
    signatureProved: identified.signatureProved,
    resignGuard: call.paid.route.resignGuard,
    replayGraceMs: call.paid.route.replayGraceSeconds * 1_000,
    answered: takeAnswered(call.paid.snapshot.tenantId),
  });
  return reply.result === "granted"
    ? await withClaim(identified, reply.grant)
    : await afterClaim(identified, reply satisfies Exclude<ClaimReply, { result: "granted" }>);
}

/** Holds the claim: from here on the payment is ours until it is staged or released. */
async function withClaim(call: IdentifiedCall, grant: ClaimGrant): Promise<Response> {
  let staged = false;
  try {
    const verified = await call.facilitators.verify(wirePayment(call), {
      kind: kindOf(call),
      signatureProved: call.signatureProved,
    });
    if (verified.outcome.class === "invalid") {
      return await answerRefused(call, {
        code: verified.outcome.reason,
        detail: `A facilitator refused the payment: ${verified.outcome.reason}.`,
      });
    }
    if (verified.outcome.class === "unavailable") {
      return problem("facilitator_unavailable", {
        detail: "No facilitator could verify the payment. Nothing was charged.",
        headers: {
          "Retry-After": retryAfterSeconds(verified.outcome.retryAfterMs ?? RETRY_AFTER_MS),
          "Payment-Status": "not-charged",
        },
        extra: { paymentId: grant.paymentId },
      });
    }
    const handled = await runHandler(
      call.paid,
      call.request,
      call.body,
      grant.paymentId,
      call.payment.from,
    );
    if (handled.result !== "sold") return answerDeclined(handled, grant.paymentId);
    staged = true;
    return await stageAndSettle(call, grant, handled, verified.facilitatorId);
  } finally {
    if (!staged) await call.ledger.release({ identity: call.identity, grant });
  }
}

async function stageAndSettle(
  call: IdentifiedCall,
  grant: ClaimGrant,
  { response }: Extract<HandlerResult, { result: "sold" }>,
  verifiedBy: string,
): Promise<Response> {
  const candidates = call.facilitators.candidatesForSettle(kindOf(call), null);
  const facilitatorId = candidates[0] ?? verifiedBy;
  const staged = await call.ledger.stage({
    grant,
    identity: call.identity,
    authorization: authorizationOf(call.payment, call.paid.offer.network.asset.address),
    wire: wirePayment(call),
    route: {
      path: call.paid.route.path,
      method: call.request.method,
      url: call.paid.resource.url,
    },
    plan: call.paid.snapshot.plan,
    response,
    facilitatorId,
    boundFacilitatorId: null,
    attemptLeaseMs: attemptLeaseMs(call.config),
  });
  if (staged.result === "fenced") {
    return problem("payment_in_progress", {
      detail: "Another send of this payment took over. Resend the same header for its answer.",
      headers: { "Retry-After": "1", "Payment-Status": "not-charged" },
      extra: { paymentId: grant.paymentId },
    });
  }
  const settled = await settle(call, grant.paymentId, {
    attempt: staged.attempt,
    facilitatorId,
    candidates,
    attemptLeaseMs: attemptLeaseMs(call.config),
  });
  switch (settled.result) {
    case "settled":
      return answerPaid(call, grant.paymentId, response, settled.settlement);
    case "unknown":
      return answerUnknown(call, grant.paymentId, settled.transaction, settled.retryAfterMs);
    case "failed":
      return answerSettlementFailed(call, grant.paymentId, settled.reason, settled.transaction);
    default:
      return settled satisfies never;
  }
}

/** What facilitators are chosen by. */
function kindOf({ payment }: Pick<PaidCall, "payment">): {
  x402Version: 1 | 2;
  network: string;
  scheme: string;
} {
  return { x402Version: payment.x402Version, network: payment.network, scheme: payment.scheme };
}

/** When no facilitator said anything better. */
const RETRY_AFTER_MS = 2_000;

/** Added to the settle deadline: the record of the outcome has to arrive too. */
const ATTEMPT_LEASE_MARGIN_MS = 5_000;

function attemptLeaseMs(config: PlatformConfig): number {
  return (
    Math.max(...config.facilitators.map(({ timeouts }) => timeouts.settleMs)) +
    ATTEMPT_LEASE_MARGIN_MS
  );
}
