import type { WirePayment } from "../payment/wire.ts";

/** What facilitators are chosen by (specs/x402-specification-v2, SupportedKind). */
export interface PaymentKind {
  readonly x402Version: 1 | 2;
  readonly scheme: string;
  /** CAIP-2, also for v1. */
  readonly network: string;
}

/** What a payment asks of the facilitator that takes it. */
export interface RequestedKind extends PaymentKind {
  /** Keys of the x402 extensions in which its payer signed something for the facilitator; none when left out. */
  readonly extensions?: readonly string[];
}

/**
 * What a payment that is to be sent once more asks of a facilitator. All extensions that are kept with it were signed for
 * one.
 *
 * @param wire null for one of our own that is not signed yet: it will be of v2 and `exact`
 * @param network CAIP-2
 */
export function kindOfWire(wire: WirePayment | null, network: string): RequestedKind {
  if (wire === null) return { x402Version: 2, scheme: "exact", network };
  const { x402Version, paymentPayload, paymentRequirements } = wire;
  const { scheme } = paymentRequirements;
  return {
    x402Version,
    scheme: typeof scheme === "string" ? scheme : "exact",
    network,
    extensions: Object.keys(paymentPayload["extensions"] ?? {}),
  };
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
