/**
 * A call that carries a payment, step by step (docs/architecture.md): claim, verify, run, stage, settle, record,
 * answer; where the money moves first, claim, stage, settle, record, run, answer; where the handler runs alongside,
 * claim, verify and run at once, and on as always. The ledger decides at every step. This file only carries its
 * decisions out, and on any failure of its own it leaves the ledger in a state from which a resend or the alarm goes on.
 */
import type { ClaimGrant, ClaimReply } from "../contracts/ledger.ts";
import { chargedOf } from "../payment/charge.ts";
import { problem } from "../payment/problems/problem.ts";
import { reportExceedance } from "../runtime/limit-exceeded.ts";
import { effectiveLimits } from "../tenant/limits.ts";
import { afterClaim, answerDeclined, answerFree, answerPaid, paidHeaders } from "./answers.ts";
import { claim } from "./claim.ts";
import { fulfil } from "./fulfil.ts";
import { type IdentifiedCall, type PaidCall, identify } from "./identified-call.ts";
import { receiptUrlOf } from "./paid-route.ts";
import { readBody } from "./request-body.ts";
import { type SoldAnswer, meterOf, runHandler } from "./run-handler.ts";
import { type Settled, stageAndSettle } from "./stage-and-settle.ts";
import { storeBody } from "./stored-body.ts";
import { answerUnavailable, kindOf, verifyPayment } from "./verify.ts";

export async function paidCall(call: PaidCall): Promise<Response> {
  const { requestBytesMax } = effectiveLimits(call.paid.snapshot, Date.now());
  const body = await readBody(call.request.body, requestBytesMax);
  if (!body.ok) {
    reportExceedance(call.env.DB, {
      tenantId: call.paid.snapshot.tenantId,
      route: call.paid.route.path,
      limit: "requestBytesMax",
    });
    return problem("payload_too_large", {
      detail: `The request body is over ${requestBytesMax} bytes; nothing was charged.`,
      headers: { "Payment-Status": "not-charged" },
      extra: { limit: "requestBytesMax" },
    });
  }
  const identified = identify(call, body.bytes);
  const reply = await claimFor(identified);
  if (reply.result !== "verify_first") return await withReply(identified, reply);
  const verified = await verifyPayment(identified, null);
  if (!verified.ok) return verified.response;
  return await withReply(identified, await claimFor({ ...identified, signatureProved: true }));
}

function claimFor(call: IdentifiedCall): Promise<ClaimReply> {
  const { route } = call.paid;
  return claim(call, {
    refusal: call.refusal?.code ?? null,
    resignGuard: route.resignGuard,
    replayGraceMs: route.replayGraceSeconds * 1_000,
    // A tenant's own code never runs for a payment that nobody has verified.
    alongside: route.execution === "alongside" && route.handler.kind === "dataset",
  });
}

async function withReply(call: IdentifiedCall, reply: ClaimReply): Promise<Response> {
  switch (reply.result) {
    case "granted":
      return await withClaim(call, reply.grant, reply.alongside);
    case "fulfil":
      return await fulfil(call, reply);
    case "verify_first":
      throw new Error("the ledger asks for a signature that it was told is proved");
    default:
      return await afterClaim(call, reply);
  }
}

/**
 * Holds the claim: from here on the payment is ours until it is staged or released.
 * @param alongside whether the handler may run while the payment is verified; its answer is kept back until it settled
 */
async function withClaim(
  call: IdentifiedCall,
  grant: ClaimGrant,
  alongside: boolean,
): Promise<Response> {
  const { paymentId } = grant;
  const isUpfront = call.paid.route.settlement === "before";
  let staged = false;
  let handlerRan = alongside;
  const meter = meterOf(call.paid);
  const early = alongside ? runHandler(call, paymentId, meter) : null;
  try {
    const verified = await verifyPayment(call, paymentId);
    if (!verified.ok) return verified.response;
    handlerRan = !isUpfront;
    const handled = isUpfront ? null : await (early ?? runHandler(call, paymentId, meter));
    if (handled !== null && handled.result !== "sold") return answerDeclined(handled, paymentId);
    const chargedAtomic = handled === null ? call.amountAtomic : chargedFor(call, handled);
    if (chargedAtomic === null) return answerDeclined(UNREADABLE_CHARGE, paymentId);
    if (handled !== null && chargedAtomic === 0n) {
      return answerFree(call, paymentId, handled.response);
    }
    const facilitatorIds = settlersOf(call, verified.facilitatorId);
    if (facilitatorIds === null) return answerUnavailable(paymentId, null);
    const response =
      handled === null ? null : { ...handled.response, receiptUrl: receiptUrlOf(call.paid) };
    const stored =
      response === null
        ? null
        : await storeBody(call.env, call.paid.snapshot.tenantId, grant, response);
    const charged = { ...call, chargedAtomic };
    const settled = await stageAndSettle(charged, grant, stored, facilitatorIds, meter);
    // Not before: a claim that could not be staged would keep its payer waiting, and releasing a staged one is nothing.
    staged = true;
    if (!settled.ok) return settled.response;
    return response === null
      ? await deliver(call, paymentId, settled)
      : answerPaid(call, paymentId, response, settled.settlement);
  } finally {
    if (!staged) {
      const usage = meter.usage(Date.now());
      await call.ledger.release({ identity: call.identity, grant, handlerRan, usage });
    }
  }
}

/** Atomic units. Where the payer signed a maximum the handler says; null when what it says can't be read. */
function chargedFor(
  { offer, amountAtomic }: IdentifiedCall,
  { settlementOverrides }: SoldAnswer,
): bigint | null {
  return offer.scheme.amountIs === "maximum"
    ? chargedOf(settlementOverrides, amountAtomic, offer.asset.decimals)
    : amountAtomic;
}

const UNREADABLE_CHARGE = {
  result: "failed",
  reason: "its Settlement-Overrides header can't be read",
} as const;

/** Facilitators to settle at, in order: each later one only when nothing was sent to those before it. */
function settlersOf(
  call: IdentifiedCall,
  verifiedBy: string | null,
): readonly [string, ...string[]] | null {
  const { facilitatorIds, lastResortIds } = call.facilitators.candidatesForSettle(
    kindOf(call),
    call.offer.facilitator?.facilitatorId ?? null,
    call.paid.snapshot.tenantId,
  );
  const [first = verifiedBy, ...others] = [...facilitatorIds, ...lastResortIds];
  return first === null ? null : [first, ...others];
}

/** What was paid upfront is made now, by whoever was given the run. */
async function deliver(
  call: IdentifiedCall,
  paymentId: string,
  { settlement, fulfilment }: Extract<Settled, { ok: true }>,
): Promise<Response> {
  if (fulfilment !== null) {
    return await fulfil(call, { grant: fulfilment, settlement, supersededBy: null });
  }
  return problem("payment_in_progress", {
    detail: "The payment is settled, and another send of it is being answered.",
    headers: { ...paidHeaders(call, paymentId, settlement), "Retry-After": "1" },
    extra: { paymentId },
  });
}
