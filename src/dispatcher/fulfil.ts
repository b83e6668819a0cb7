/**
 * The second half of an upfront call: the money has moved, so the handler runs until it answers 2xx, at most so many
 * times. Its answer passes through as it comes; it may leave only once the ledger has recorded that it does, so that
 * what was delivered is never also refunded.
 */
import type { FulfilmentGrant, FulfilmentReply, SettlementSummary } from "../contracts/ledger.ts";
import { problem } from "../payment/problem.ts";
import { FULFILMENT_ATTEMPTS_MAX } from "../settlement/fulfilment.ts";
import {
  answerBuffered,
  answerUndelivered,
  headersOf,
  paidHeaders,
  supersededHeaders,
} from "./answers.ts";
import type { IdentifiedCall, IdentifiedPayment } from "./identified-call.ts";
import { type StartedHandler, keptHeaders, startHandler } from "./run-handler.ts";

/** A payment that settled before its handler ran, and the right to run it now. */
export interface Owed {
  readonly grant: FulfilmentGrant;
  readonly settlement: SettlementSummary;
  /** Set when the payment that was sent was superseded by the one that is settled. */
  readonly supersededBy: string | null;
}

export async function fulfil(call: IdentifiedCall, owed: Owed): Promise<Response> {
  const handled = await startHandler(call, owed.grant.paymentId);
  if (handled.result !== "started") {
    return handled.result === "declined"
      ? await answerRunDeclined(call, owed, handled)
      : await answerRunFailed(call, owed, explain(handled));
  }
  const { response } = handled;
  const recorded = await call.ledger.recordFulfilment({ grant: owed.grant, delivered: true });
  if (recorded.result !== "fulfilled") {
    await response.body?.cancel();
    return answerNotDelivered(call, owed, recorded, "the answer could not be delivered");
  }
  const headers = headersOf(keptHeaders(response.headers), ownHeaders(call, owed));
  return new Response(response.body, { status: response.status, headers });
}

/** The handler's own answer: the payment stays settled, and a resend runs it again. */
async function answerRunDeclined(
  call: IdentifiedCall,
  owed: Owed,
  { response }: Extract<StartedHandler, { result: "declined" }>,
): Promise<Response> {
  await call.ledger.recordFulfilment({ grant: owed.grant, delivered: false });
  return answerBuffered(response, { ...ownHeaders(call, owed), "Cache-Control": "no-store" });
}

/** A run that brought no answer at all. */
export async function answerRunFailed(
  call: IdentifiedPayment,
  owed: Owed,
  reason: string,
): Promise<Response> {
  const recorded = await call.ledger.recordFulfilment({ grant: owed.grant, delivered: false });
  return answerNotDelivered(call, owed, recorded, reason);
}

function answerNotDelivered(
  call: IdentifiedPayment,
  owed: Owed,
  recorded: FulfilmentReply,
  reason: string,
): Response {
  const { paymentId, attempt } = owed.grant;
  if (recorded.result === "undelivered") {
    return answerUndelivered(call, paymentId, owed.settlement);
  }
  return problem("handler_failed", {
    detail: `The payment is settled and not delivered: ${reason}. Resend the same header, and the handler runs again.`,
    headers: { ...ownHeaders(call, owed), "Cache-Control": "no-store", "Retry-After": "1" },
    extra: { paymentId, attemptsLeft: FULFILMENT_ATTEMPTS_MAX - attempt },
  });
}

function ownHeaders(call: IdentifiedPayment, owed: Owed): Readonly<Record<string, string>> {
  return {
    ...paidHeaders(call, owed.grant.paymentId, owed.settlement),
    ...supersededHeaders(owed.supersededBy),
  };
}

function explain(handled: Extract<StartedHandler, { result: "failed" | "too_large" }>): string {
  return handled.result === "failed"
    ? handled.reason
    : `the handler's refusal is over ${handled.bytesMax} bytes`;
}
