/** Why a call ended without an answer, as a state a program can act on. */
import type { SentPayment } from "./sent-payment.ts";

const MESSAGES = {
  over_budget: "Nothing was paid: the call costs more than is left of the budget",
  not_payable: "Nothing was paid: the client has no way to pay what is asked, or may not",
  outcome_open:
    "The payment was sent and there is no answer yet: resume it, and do not sign a new one",
} as const;

export type PaymentErrorState = keyof typeof MESSAGES;

export interface PaymentErrorDetails {
  /** The payment whose outcome is open. */
  readonly payment?: SentPayment;
  /** The last answer, when there was one. */
  readonly response?: Response;
  readonly cause?: unknown;
}

export class PaymentError extends Error {
  override readonly name = "PaymentError";
  readonly state: PaymentErrorState;
  /** Set for `outcome_open`: give it to `resume`. */
  readonly payment: SentPayment | null;
  /** The last answer of the server; null when the last send got none. */
  readonly response: Response | null;

  constructor(state: PaymentErrorState, { payment, response, cause }: PaymentErrorDetails = {}) {
    const reason = cause instanceof Error ? `: ${cause.message}` : "";
    super(`${MESSAGES[state]}${reason}`, { cause });
    this.state = state;
    this.payment = payment ?? null;
    this.response = response ?? null;
  }
}
