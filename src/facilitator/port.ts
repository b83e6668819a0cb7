import type { WirePayment } from "../payment/wire.ts";
import type { SettleOutcome, VerifyOutcome } from "../settlement/outcome.ts";

/** Configured name of a facilitator, for example `payai`; unique in the ordered list. */
export type FacilitatorId = string;

/** What the outcome of a settlement must agree with before `settled` is believed. */
export interface ExpectedTransfer {
  /** CAIP-2 network; a v1 facilitator answers with its v1 name. */
  readonly network: string;
  readonly payer: string;
  readonly amountAtomic: bigint;
}

/**
 * One facilitator. Calls never throw and never retry: whatever goes wrong comes back as an outcome class, and the
 * settlement core is the only owner of retries.
 */
export interface Facilitator {
  readonly id: FacilitatorId;
  verify(payment: WirePayment): Promise<VerifyOutcome>;
  settle(payment: WirePayment, expected: ExpectedTransfer): Promise<SettleOutcome>;
}
