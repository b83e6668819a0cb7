/** What a paying client is answered, for every way a paid call can end (docs/errors.md). */
import type { ClaimReply, SettlementSummary, StoredResponse } from "../contracts/ledger.ts";
import { type ProblemCode, problem } from "../payment/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { settlementHeader } from "../payment/settlement-header.ts";
import { reportWhenWritten } from "./answered.ts";
import { challenge } from "./challenge.ts";
import type { IdentifiedCall, Refusal } from "./identified-call.ts";
import type { HandlerResult } from "./run-handler.ts";

/** The answer to a payment that is not (or no longer) ours to work on. */
export async function afterClaim(
  call: IdentifiedCall,
  reply: Exclude<ClaimReply, { result: "granted" }>,
): Promise<Response> {
  switch (reply.result) {
    case "replay":
      return answerStored(call, reply.paymentId, reply.response, reply.settlement, {
        "Idempotent-Replayed": "true",
        "Payment-Status": reply.supersededBy === null ? "replayed" : "superseded",
        ...(reply.supersededBy === null ? {} : { "Payment-Superseded-By": reply.supersededBy }),
      });
    case "in_progress":
      return retryable("payment_in_progress", reply.paymentId, reply.retryAfterMs, {
        detail: "Resend the same header: it will get the answer, and is charged once.",
      });
    case "unknown":
      return answerUnknown(call, reply.paymentId, reply.transaction, reply.retryAfterMs);
    case "failed":
      return answerSettlementFailed(call, reply.paymentId, reply.reason, reply.transaction);
    case "conflict":
      return problem("payment_conflict", {
        detail: "Make a new payment for this request.",
        headers: { "Payment-Status": "not-charged" },
      });
    case "proof_required":
      return problem("replay_proof_required", {
        detail:
          "The stored answer belongs to its payer: send the quote, payment-identifier or Idempotency-Key of the first request.",
        headers: { "Payment-Status": "not-charged" },
        extra: { paymentId: reply.paymentId },
      });
    case "response_expired":
      return problem("response_expired", {
        detail: "This payment was settled; its answer is no longer stored. See the receipt.",
        headers: { "Payment-Status": "not-charged" },
        extra: { paymentId: reply.paymentId, transaction: reply.transaction },
      });
    case "refused":
      return answerRefused(
        call,
        call.refusal ?? { code: reply.reason, detail: `Refused: ${reply.reason}.` },
      );
    default:
      return reply satisfies never;
  }
}

/** The goods, with the settlement's proof. */
export function answerPaid(
  call: IdentifiedCall,
  paymentId: string,
  response: StoredResponse,
  settlement: SettlementSummary,
): Response {
  return answerStored(call, paymentId, response, settlement, { "Payment-Status": "settled" });
}

function answerStored(
  call: IdentifiedCall,
  paymentId: string,
  response: StoredResponse,
  summary: SettlementSummary,
  extra: Readonly<Record<string, string>>,
): Response {
  const headers = withStoredHeaders(response);
  headers.set("Cache-Control", "private");
  headers.set(...settlementHeader(call.payment.x402Version, { success: true, summary }));
  headers.set("Payment-Id", paymentId);
  for (const [name, value] of Object.entries(extra)) headers.set(name, value);
  const body = mayHaveBody(response.status)
    ? reportWhenWritten(
        response.body,
        call.env,
        call.execution,
        call.paid.snapshot.tenantId,
        paymentId,
      )
    : null;
  return new Response(body, { status: response.status, headers });
}

/** A handler that sold nothing: its own answer, or ours in its place. Nothing was charged. */
export function answerDeclined(
  handled: Exclude<HandlerResult, { result: "sold" }>,
  paymentId: string,
): Response {
  if (handled.result === "declined") {
    const headers = withStoredHeaders(handled.response);
    headers.set("Cache-Control", "no-store");
    headers.set("Payment-Status", "not-charged");
    headers.set("Payment-Id", paymentId);
    const { status, body } = handled.response;
    return new Response(mayHaveBody(status) ? body : null, { status, headers });
  }
  const [code, detail]: [ProblemCode, string] =
    handled.result === "too_large"
      ? ["response_too_large", `The answer is over ${handled.bytesMax} bytes.`]
      : ["handler_failed", `Nothing was charged: ${handled.reason}.`];
  return problem(code, {
    detail,
    headers: { "Payment-Status": "not-charged" },
    extra: { paymentId },
  });
}

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
  return challenge(call.paid, call.config, Date.now(), {
    code: refusal.code,
    error: refusal.detail,
  });
}

/** Nobody knows yet. Never a 402: a client would sign again and could pay twice. */
export function answerUnknown(
  call: IdentifiedCall,
  paymentId: string,
  transaction: string | null,
  retryAfterMs: number,
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
    headers: { "Payment-Status": "unknown", ...header },
  });
}

/** The settlement can't land any more: a new payment is safe. */
export function answerSettlementFailed(
  call: IdentifiedCall,
  paymentId: string,
  reason: string,
  transaction: string | null,
): Promise<Response> {
  return challenge(call.paid, call.config, Date.now(), {
    code: reason,
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

function retryable(
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
    extra: { paymentId, statusUrl: `/payments/${paymentId}` },
  });
}

function withStoredHeaders(response: StoredResponse): Headers {
  const headers = new Headers();
  for (const { name, value } of response.headers) headers.append(name, value);
  return headers;
}

/** RFC 9110 section 6.4.1. */
function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 205 && status !== 304;
}
