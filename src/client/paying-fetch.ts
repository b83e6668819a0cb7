/**
 * `402claw/client`: a `fetch` that pays. It wraps the official `@x402/fetch` and adds what a payer needs when things
 * go wrong: one signed payment per call that is kept and sent again until there is an answer, a budget over all calls,
 * and an error that says what became of the money. It works against any x402 server, in Node, browsers and Workers.
 */
import { type x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { Budget } from "./budget.ts";
import { PaymentError } from "./payment-error.ts";
import { isUncharged } from "./payment-status.ts";
import { resendUntilAnswered } from "./resend.ts";
import { type SentPayment, paymentOf } from "./sent-payment.ts";

export { PaymentError, type PaymentErrorState } from "./payment-error.ts";
export { type PaymentStatus, paymentStatusOf } from "./payment-status.ts";
export type { SentPayment } from "./sent-payment.ts";

/** How long a call goes on sending its payment again, unless it is told otherwise. */
const PATIENCE_MS = 60_000;

export interface PayingFetchOptions {
  /**
   * Most that all calls together may cost, in dollars, for example `$5`. What one call may cost is the client's own
   * `spendControls` ($1 by default).
   */
  readonly budget?: `$${string}`;
  /** How long one call goes on sending its payment again before it gives up with `outcome_open`, in milliseconds. */
  readonly patienceMs?: number;
  /** Called before a payment is first sent: whoever stores it can `resume` after a crash. */
  readonly onPayment?: (payment: SentPayment) => void | Promise<void>;
  /** Sends the requests; the runtime's own `fetch` when left out. */
  readonly fetch?: typeof globalThis.fetch;
}

/** What `fetch` takes: Node's types have no name for it. */
type FetchInput = Parameters<typeof globalThis.fetch>[0];

export interface PayingFetch {
  /**
   * Like `fetch`: resolves to whatever the server finally answered, paid or not (`paymentStatusOf` tells).
   *
   * @throws PaymentError when it did not pay (`over_budget`, `not_payable`) or does not know whether it did
   *   (`outcome_open`); whatever `fetch` throws when the server can't be asked for its price, or `onPayment` throws.
   */
  (input: FetchInput, init?: RequestInit): Promise<Response>;
  /**
   * Sends a payment again whose outcome was open, with the request it was made for. Nothing is paid twice by it.
   *
   * @throws PaymentError `outcome_open` when there is still no answer.
   */
  resume(payment: SentPayment, init?: RequestInit): Promise<Response>;
}

/** @throws RangeError when the budget is no amount of dollars. */
export function payingFetch(client: x402Client, options: PayingFetchOptions = {}): PayingFetch {
  const {
    patienceMs = PATIENCE_MS,
    onPayment,
    fetch = globalThis.fetch.bind(globalThis),
  } = options;
  const budget = options.budget === undefined ? null : new Budget(options.budget);

  async function settle(request: Request, payment: SentPayment): Promise<Response> {
    const response = await resendUntilAnswered(fetch, request, payment, patienceMs);
    budget?.close(payment, { isCharged: !isUncharged(response) });
    return response;
  }

  async function buy(input: FetchInput, init?: RequestInit): Promise<Response> {
    let isQuoted = false;
    const send: typeof globalThis.fetch = async (target, targetInit) => {
      const request = new Request(target, targetInit);
      const payment = paymentOf(request);
      if (payment === null) {
        const response = await fetch(request);
        isQuoted = response.status === 402;
        return response;
      }
      budget?.reserve(payment);
      isQuoted = false;
      try {
        await onPayment?.(payment);
      } catch (error) {
        budget?.close(payment, { isCharged: false });
        throw error;
      }
      return await settle(request, payment);
    };
    try {
      return await wrapFetchWithPayment(send, client)(input, init);
    } catch (error) {
      if (!isQuoted || error instanceof PaymentError) throw error;
      throw new PaymentError("not_payable", { cause: error });
    }
  }

  async function resume(payment: SentPayment, init?: RequestInit): Promise<Response> {
    const request = new Request(payment.url, init);
    request.headers.set(payment.header, payment.value);
    return await settle(request, payment);
  }

  return Object.assign(buy, { resume });
}
