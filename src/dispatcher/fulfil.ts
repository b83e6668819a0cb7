/**
 * The second half of an upfront call: the money has moved, so the handler runs until it answers 2xx, at most so many
 * times. Its answer passes through as it comes; it may leave only once the ledger has recorded that it does, so that
 * what was delivered is never also refunded.
 */
import type {
  FulfilmentGrant,
  FulfilmentReply,
  HandlerUsage,
  SettlementSummary,
} from "../contracts/ledger.ts";
import { problem } from "../payment/problems/problem.ts";
import { FULFILMENT_ATTEMPTS_MAX } from "../settlement/fulfilment.ts";
import {
  answerBuffered,
  answerUndelivered,
  headersOf,
  paidHeaders,
  supersededHeaders,
} from "./answers.ts";
import type { IdentifiedCall, IdentifiedPayment } from "./identified-call.ts";
import { keptHeaders } from "./kept-headers.ts";
import { receiptUrlOf } from "./paid-route.ts";
import { type StartedHandler, meterOf, startHandler } from "./run-handler.ts";

/** A payment that settled before its handler ran, and the right to run it now. */
export interface Owed {
  readonly grant: FulfilmentGrant;
  readonly settlement: SettlementSummary;
  /** Set when the payment that was sent was superseded by the one that is settled. */
  readonly supersededBy: string | null;
}

export async function fulfil(call: IdentifiedCall, owed: Owed): Promise<Response> {
  const meter = meterOf(call.paid);
  const handled = await startHandler(call, owed.grant.paymentId, meter);
  const usage = meter.usage(Date.now());
  if (handled.result !== "started") {
    return handled.result === "declined"
      ? await answerRunDeclined(call, owed, handled, usage)
      : await answerRunFailed(call, owed, explain(handled), usage);
  }
  const { response } = handled;
  const { grant } = owed;
  const recorded = await call.ledger.recordFulfilment({ grant, delivered: true, usage });
  if (recorded.result !== "fulfilled") {
    await response.body?.cancel();
    return answerNotDelivered(call, owed, recorded, "the answer could not be delivered");
  }
  const headers = headersOf(
    keptHeaders(response.headers, call.paid),
    ownHeaders(call, owed, receiptUrlOf(call.paid)),
  );
  return new Response(response.body, { status: response.status, headers });
}

/** The handler's own answer: the payment stays settled, and a resend runs it again. */
async function answerRunDeclined(
  call: IdentifiedCall,
  owed: Owed,
  { response }: Extract<StartedHandler, { result: "declined" }>,
  usage: HandlerUsage | null,
): Promise<Response> {
  await call.ledger.recordFulfilment({ grant: owed.grant, delivered: false, usage });
  return answerBuffered(response, { ...ownHeaders(call, owed), "Cache-Control": "no-store" });
}

/** A run that brought no answer at all. @param usage null when it did not even start */
export async function answerRunFailed(
  call: IdentifiedPayment,
  owed: Owed,
  reason: string,
  usage: HandlerUsage | null = null,
): Promise<Response> {
  const { grant } = owed;
  const recorded = await call.ledger.recordFulfilment({ grant, delivered: false, usage });
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

/** @param receiptUrl what was delivered, where a receipt for it is signed */
function ownHeaders(
  call: IdentifiedPayment,
  owed: Owed,
  receiptUrl?: string,
): Readonly<Record<string, string>> {
  return {
    ...paidHeaders(call, owed.grant.paymentId, owed.settlement, receiptUrl),
    ...supersededHeaders(owed.supersededBy),
  };
}

function explain(handled: Extract<StartedHandler, { result: "failed" | "too_large" }>): string {
  return handled.result === "failed"
    ? handled.reason
    : `the handler's refusal is over ${handled.bytesMax} bytes`;
}
