/** What a paying client is answered, for every way a paid call can end (docs/errors.md). */
import type { BufferedResponse, DeclinedClaim, SettlementSummary } from "../contracts/ledger.ts";
import { receiptExtensions } from "../payment/extensions/offer-receipt.ts";
import { signingKeyOf } from "../payment/extensions/signing-key.ts";
import { PAYMENT_RESPONSE_HEADER, encodeHeader } from "../payment/header-codec.ts";
import { platformUrl } from "../payment/platform-url.ts";
import { type ProblemCode, isProblemCode, problem } from "../payment/problems/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { settlementHeader } from "../payment/settlement-header.ts";
import { reportAnswer, reportWhenWritten } from "./answered.ts";
import { answerRefused } from "./answer-refused.ts";
import { challenge } from "./challenge.ts";
import type { IdentifiedCall, IdentifiedPayment } from "./identified-call.ts";
import { answerNotAdmitted } from "./not-admitted.ts";
import type { HandlerResult } from "./run-handler.ts";
import { loadBody } from "./stored-body.ts";

/** The answer to a payment that is not (or no longer) ours to work on. */
export async function afterClaim(call: IdentifiedCall, reply: DeclinedClaim): Promise<Response> {
  switch (reply.result) {
    case "failed":
      return answerSettlementFailed(call, reply.paymentId, reply.reason, reply.transaction);
    case "refused":
      return answerRefused(
        call,
        call.refusal ?? { code: reply.reason, detail: `Refused: ${reply.reason}.` },
      );
    default:
      return answerKnown(call, reply);
  }
}

/** The answer to a payment that is known and not over, which takes nothing from the route it was for. */
export async function answerKnown(
  call: IdentifiedPayment,
  reply: Exclude<DeclinedClaim, { result: "failed" | "refused" }>,
): Promise<Response> {
  switch (reply.result) {
    case "replay":
      return answerReplay(call, reply);
    case "not_admitted":
      return answerNotAdmitted(reply);
    case "undelivered":
      return answerUndelivered(call, reply.paymentId, reply.settlement);
    case "in_progress":
      return retryable("payment_in_progress", reply.paymentId, reply.retryAfterMs, {
        detail: "Resend the same header: it will get the answer, and is charged once.",
        headers: supersededHeaders(reply.supersededBy),
      });
    case "unknown":
      return answerUnknown(
        call,
        reply.paymentId,
        reply.transaction,
        reply.retryAfterMs,
        reply.supersededBy,
      );
    case "conflict":
      return problem("payment_conflict", {
        detail: "Make a new payment for this request, with a payment-identifier of its own.",
        headers: { "Payment-Status": "not-charged" },
      });
    case "proof_required":
      return problem("replay_proof_required", {
        detail:
          "The stored answer belongs to its payer: send the quote, payment-identifier or Idempotency-Key of the first request, or sign in with its wallet.",
        headers: { "Payment-Status": "settled" },
        extra: { paymentId: reply.paymentId },
      });
    case "response_expired":
      return problem("response_expired", {
        detail: "This payment was settled; its answer is not stored. See the receipt.",
        headers: {
          ...paidHeaders(call, reply.paymentId, reply.settlement),
          "Cache-Control": "no-store",
        },
        extra: { paymentId: reply.paymentId, transaction: reply.settlement.transaction },
      });
    default:
      return reply satisfies never;
  }
}

/** What of a call its stored answer depends on: who fetches it need not send a payment. */
export type AnsweredCall = Pick<IdentifiedPayment, "env" | "execution" | "config"> & {
  readonly paid: Pick<IdentifiedPayment["paid"], "snapshot">;
  readonly payment: Pick<IdentifiedPayment["payment"], "x402Version">;
};

/** The stored answer, as it was sent the first time. */
export async function answerReplay(
  call: AnsweredCall,
  reply: Extract<DeclinedClaim, { result: "replay" }>,
): Promise<Response> {
  return answerStored(
    call,
    reply.paymentId,
    await loadBody(call.env, reply.response),
    reply.settlement,
    {
      "Idempotent-Replayed": "true",
      "Payment-Status": "replayed",
      ...supersededHeaders(reply.supersededBy),
    },
    reply.answered,
  );
}

/** Says that an earlier payment for the same request stands in for this one, whatever has become of that one. */
export function supersededHeaders(supersededBy: string | null): Readonly<Record<string, string>> {
  return supersededBy === null
    ? {}
    : { "Payment-Status": "superseded", "Payment-Superseded-By": supersededBy };
}

/** The goods, with the settlement's proof. */
export function answerPaid(
  call: IdentifiedCall,
  paymentId: string,
  response: BufferedResponse,
  settlement: SettlementSummary,
): Response {
  const extra = { "Payment-Status": "settled" };
  return answerStored(call, paymentId, response, settlement, extra, false);
}

function answerStored(
  call: AnsweredCall,
  paymentId: string,
  response: BufferedResponse,
  summary: SettlementSummary,
  extra: Readonly<Record<string, string>>,
  isKnownAnswered: boolean,
): Response {
  const { status, body } = response;
  const headers = headersOf(response.headers, {
    ...paidHeaders(call, paymentId, summary, response.receiptUrl),
    ...extra,
  });
  if (isKnownAnswered) return new Response(mayHaveBody(status) ? body : null, { status, headers });
  const { env, execution } = call;
  const { tenantId } = call.paid.snapshot;
  if (mayHaveBody(status) && body.byteLength > 0) {
    const reported = reportWhenWritten(body, env, execution, tenantId, paymentId);
    return new Response(reported, { status, headers });
  }
  reportAnswer(env, execution, tenantId, paymentId);
  return new Response(null, { status, headers });
}

/**
 * What goes with every answer to a settled payment; a problem that is one says so with its own status.
 * @param receiptUrl what was delivered, where a receipt for it is signed
 */
export function paidHeaders(
  { payment, config }: Pick<AnsweredCall, "payment" | "config">,
  paymentId: string,
  summary: SettlementSummary,
  receiptUrl?: string,
): Readonly<Record<string, string>> {
  const [name, value] = settlementHeader(payment.x402Version, {
    success: true,
    summary,
    extensions:
      receiptUrl === undefined
        ? null
        : receiptExtensions(summary, new URL(receiptUrl), signingKeyOf(config.quoteSecret)),
  });
  return {
    "Cache-Control": "private",
    "Payment-Status": "settled",
    "Payment-Id": paymentId,
    [name]: value,
  };
}

/** Paid upfront, and the handler failed as often as it may. */
export function answerUndelivered(
  call: Pick<IdentifiedPayment, "payment" | "config">,
  paymentId: string,
  settlement: SettlementSummary,
): Response {
  return problem("paid_undelivered", {
    detail: "This payment was settled, and its answer was never delivered. A refund is due.",
    headers: { ...paidHeaders(call, paymentId, settlement), "Cache-Control": "no-store" },
    extra: { paymentId, transaction: settlement.transaction },
  });
}

/** A handler that sold nothing: its own answer, or ours in its place. Nothing was charged. */
export function answerDeclined(
  handled: Exclude<HandlerResult, { result: "sold" }>,
  paymentId: string,
): Response {
  if (handled.result === "declined") {
    return answerBuffered(handled.response, {
      "Cache-Control": "no-store",
      "Payment-Status": "not-charged",
      "Payment-Id": paymentId,
    });
  }
  const [code, detail] = explainUnsold(handled);
  return problem(code, {
    detail,
    headers: { "Payment-Status": "not-charged" },
    extra: {
      paymentId,
      ...(handled.result === "too_large" ? { limit: "responseBytesMax" } : {}),
    },
  });
}

/** An answer that its handler charges nothing for, of a payment that allowed for more: there is nothing to settle. */
export function answerFree(
  { offer, payment }: IdentifiedCall,
  paymentId: string,
  response: BufferedResponse,
): Response {
  const settlement = {
    success: true,
    transaction: "",
    network: offer.network.caip2,
    payer: payment.from,
    amount: "0",
  };
  return answerBuffered(response, {
    "Cache-Control": "private",
    "Payment-Status": "not-charged",
    "Payment-Id": paymentId,
    [PAYMENT_RESPONSE_HEADER]: encodeHeader(settlement),
  });
}

function explainUnsold(
  handled: Exclude<HandlerResult, { result: "sold" | "declined" }>,
): [code: ProblemCode, detail: string] {
  switch (handled.result) {
    case "too_large":
      return ["response_too_large", `The answer is over ${handled.bytesMax} bytes.`];
    case "event_stream":
      return [
        "response_not_storable",
        'Nothing was charged: the answer is an event stream. Its route has to declare settlement "before".',
      ];
    case "failed":
      return ["handler_failed", `Nothing was charged: ${handled.reason}.`];
    default:
      return handled satisfies never;
  }
}

/** A handler's answer with headers of ours, which win. */
export function answerBuffered(
  { status, headers, body }: BufferedResponse,
  ours: Readonly<Record<string, string>>,
): Response {
  return new Response(mayHaveBody(status) ? body : null, {
    status,
    headers: headersOf(headers, ours),
  });
}

/** Nobody knows yet. Never a 402: a client would sign again and could pay twice. */
export function answerUnknown(
  call: IdentifiedPayment,
  paymentId: string,
  transaction: string | null,
  retryAfterMs: number,
  supersededBy: string | null = null,
): Response {
  const header =
    transaction === null
      ? {}
      : Object.fromEntries([
          settlementHeader(call.payment.x402Version, {
            success: false,
            reason: "settlement_pending",
            transaction,
            network: call.payment.network,
            payer: call.payment.from,
          }),
        ]);
  return retryable("settlement_unknown", paymentId, retryAfterMs, {
    detail:
      "The payment may have settled. Resend the same header until it is decided; signing again is not needed and is not charged twice.",
    headers: { ...header, ...supersededHeaders(supersededBy) },
  });
}

/**
 * The ledger, or this edge, broke under the call. What was stored is followed up by the ledger's alarm, so the payment
 * may settle all the same.
 */
export function answerBroken(): Response {
  return problem("settlement_unknown", {
    detail: "This call could not be followed to its end. Resend the same header.",
    headers: { "Retry-After": retryAfterSeconds(BROKEN_RETRY_MS), "Payment-Status": "unknown" },
  });
}

/** An object that was reset is there again at its next call. */
const BROKEN_RETRY_MS = 1_000;

/** The settlement can't land any more: a new payment is safe. */
export function answerSettlementFailed(
  call: IdentifiedCall,
  paymentId: string,
  reason: string,
  transaction: string | null,
): Promise<Response> {
  return challenge(call.paid, call.config, Date.now(), {
    // A code that has another status asks for something else than a new payment (412: to send this one again).
    code: isProblemCode(reason) ? "settlement_failed" : reason,
    error: `The settlement failed and nothing was charged: ${reason}.`,
    status: "failed",
    paymentId,
    headers: [
      settlementHeader(call.payment.x402Version, {
        success: false,
        reason,
        transaction,
        network: call.payment.network,
        payer: call.payment.from,
      }),
    ],
  });
}

export function retryable(
  code: ProblemCode,
  paymentId: string,
  retryAfterMs: number,
  options: { detail: string; headers?: Readonly<Record<string, string>> },
): Response {
  return problem(code, {
    detail: options.detail,
    headers: {
      "Retry-After": retryAfterSeconds(retryAfterMs),
      "Payment-Status": "unknown",
      ...options.headers,
    },
    extra: { paymentId, statusUrl: platformUrl(`/payments/${paymentId}`) },
  });
}

export function headersOf(
  theirs: BufferedResponse["headers"],
  ours: Readonly<Record<string, string>>,
): Headers {
  const headers = new Headers();
  for (const { name, value } of theirs) headers.append(name, value);
  for (const [name, value] of Object.entries(ours)) headers.set(name, value);
  return headers;
}

/** RFC 9110 section 6.4.1. */
function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}
