/** Pays for one call with the official `@x402/fetch` client, and resends the same payment while its outcome is open. */
import { setTimeout as delay } from "node:timers/promises";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from "@x402/core/http";
import type { PaymentRequired, SettleResponse } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { wrapFetchWithPayment, x402Client } from "@x402/fetch";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import * as z from "zod";

/** Answers that mean "send the same header again": nothing is charged twice by doing so. */
const RESEND_CODES: ReadonlySet<string> = new Set([
  "settlement_unknown",
  "payment_in_progress",
  "facilitator_unavailable",
]);
const RESEND_INTERVAL_MS = 1_000;
/** A Retry-After longer than this is cut: the caller's patience, not the server's, ends the wait. */
const RESEND_INTERVAL_MAX_MS = 5_000;

const problemSchema = z.object({ code: z.string() });

export interface PaidRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface PaidCall {
  readonly response: Response;
  /** What the first answer asked for; null when the call was free. */
  readonly quote: PaymentRequired | null;
  /** The PAYMENT-SIGNATURE header that was sent; null when nothing was paid. Whoever has it can fetch the answer. */
  readonly paymentHeader: string | null;
  readonly settlement: SettleResponse | null;
}

/** The client did not pay what was asked: too expensive, or nothing it can pay with. Nothing was sent. */
export class NotPaidError extends Error {
  override readonly name = "NotPaidError";
  readonly quote: PaymentRequired;
  constructor(quote: PaymentRequired, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.quote = quote;
  }
}

/**
 * The official client for one key, restricted to the dollar stablecoins it knows.
 *
 * @param maxPrice most to pay for one call, for example `$0.10`
 */
export function createPaymentClient(privateKey: Hex, maxPrice: string): x402Client {
  return x402Client.fromConfig({
    schemes: [{ network: "eip155:*", client: new ExactEvmScheme(privateKeyToAccount(privateKey)) }],
    spendControls: { maxAmountPerPayment: maxPrice },
  });
}

/**
 * Calls and pays. Where the platform says that the same payment should be sent again, it is, until `waitMs` is over.
 *
 * @throws NotPaidError; whatever fetch throws when there is no answer.
 */
export async function callAndPay(
  client: x402Client,
  request: PaidRequest,
  waitMs: number,
): Promise<PaidCall> {
  const record = new PaymentRecord();
  const init = { method: request.method, headers: request.headers, body: request.body };
  const payingFetch = wrapFetchWithPayment(record.fetch, client);
  let response: Response;
  try {
    response = await payingFetch(request.url, init);
  } catch (error) {
    if (record.quote === null || record.paymentHeader !== null) throw error;
    throw new NotPaidError(record.quote, error);
  }
  const deadlineMs = Date.now() + waitMs;
  while (record.paymentHeader !== null && (await asksForResend(response))) {
    const pauseMs = retryAfterMs(response);
    if (Date.now() + pauseMs > deadlineMs) break;
    await delay(pauseMs);
    const headers = { ...request.headers, "PAYMENT-SIGNATURE": record.paymentHeader };
    response = await fetch(request.url, { ...init, headers });
  }
  const receipt = response.headers.get("PAYMENT-RESPONSE");
  return {
    response,
    quote: record.quote,
    paymentHeader: record.paymentHeader,
    settlement: receipt === null ? null : decodePaymentResponseHeader(receipt),
  };
}

/** A fetch that remembers the quote it received and the payment it sent, and changes neither. */
export class PaymentRecord {
  quote: PaymentRequired | null = null;
  paymentHeader: string | null = null;

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    this.paymentHeader = request.headers.get("PAYMENT-SIGNATURE") ?? this.paymentHeader;
    const response = await fetch(request);
    const required = response.headers.get("PAYMENT-REQUIRED");
    if (required !== null) this.quote = decodePaymentRequiredHeader(required);
    return response;
  };
}

async function asksForResend(response: Response): Promise<boolean> {
  if (response.status !== 503 && response.status !== 409) return false;
  const problem = problemSchema.safeParse(
    await response
      .clone()
      .json()
      .catch(() => null),
  );
  return problem.success && RESEND_CODES.has(problem.data.code);
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get("Retry-After"));
  const pauseMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : RESEND_INTERVAL_MS;
  return Math.min(pauseMs, RESEND_INTERVAL_MAX_MS);
}
