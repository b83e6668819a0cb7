/** What facilitators are chosen by (specs/x402-specification-v2, SupportedKind). */
export interface PaymentKind {
  readonly x402Version: 1 | 2;
  readonly scheme: string;
  /** CAIP-2, also for v1. */
  readonly network: string;
}

/** A kind as a facilitator lists it. */
export interface ListedKind extends PaymentKind {
  /** What a quote of a bound scheme has to carry, for example the fee payer's address. */
  readonly extra: Readonly<Record<string, string | number | boolean>>;
}

export function isSameKind(left: PaymentKind, right: PaymentKind): boolean {
  return (
    left.x402Version === right.x402Version &&
    left.scheme === right.scheme &&
    left.network === right.network
  );
}

/**
 * Whether a payment can only be settled by the facilitator that its quote named: the payer signs something of that
 * facilitator, its address (`upto`) or a transaction it pays for (`exact` on Solana). The signatures of `exact` on EVM
 * networks name nobody (docs/facilitators.md); of a scheme that is not known to be free, none is assumed to be.
 */
export function isFacilitatorBound({ scheme, network }: PaymentKind): boolean {
  return !(scheme === "exact" && network.startsWith("eip155:"));
}
