/** What a local facilitator remembers of the calls it got, without anything that could be used to pay. */
import * as z from "zod";
import type { FacilitatorStats, RecordedCall } from "./facilitator-control.ts";
import type { Operation } from "./faults.ts";

/** Enough for any test to look back on, and small enough to print. */
const RECENT_CALLS_MAX = 100;

/** The fields of an EIP-3009 payment that its settlement publishes; v1 and v2 have them in the same place. */
const publicPartSchema = z.object({
  paymentPayload: z.object({
    x402Version: z.number(),
    payload: z.object({
      authorization: z.object({
        from: z.string(),
        to: z.string(),
        value: z.string(),
        nonce: z.string(),
      }),
    }),
  }),
});

export class CallLog {
  readonly #counts = {
    verify: { received: 0, performed: 0 },
    settle: { received: 0, performed: 0 },
    supported: { received: 0, performed: 0 },
  };
  readonly #recent: RecordedCall[] = [];
  #transactionsSent = 0;

  /** The entry may be completed (payment, status) for as long as the call lasts. */
  received(operation: Operation, fault: RecordedCall["fault"], receivedAtMs: number): RecordedCall {
    this.#counts[operation].received += 1;
    const call: RecordedCall = { operation, receivedAtMs, fault, status: null, payment: null };
    this.#recent.push(call);
    if (this.#recent.length > RECENT_CALLS_MAX) this.#recent.shift();
    return call;
  }

  performed(operation: Operation): void {
    this.#counts[operation].performed += 1;
  }

  transactionSent(): void {
    this.#transactionsSent += 1;
  }

  summary(): Pick<FacilitatorStats, "calls" | "transactionsSent" | "recentCalls"> {
    return {
      calls: this.#counts,
      transactionsSent: this.#transactionsSent,
      recentCalls: this.#recent,
    };
  }
}

/** @param body of a verify or settle request, not yet validated */
export function publicPartOf(body: unknown): RecordedCall["payment"] {
  const { data } = publicPartSchema.safeParse(body);
  if (data === undefined) return null;
  const { x402Version, payload } = data.paymentPayload;
  const { from, to, value, nonce } = payload.authorization;
  return { x402Version, payer: from, payee: to, amountAtomic: value, nonce };
}
