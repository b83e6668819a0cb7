/**
 * What an attempt to settle or verify a payment can come to. One vocabulary for every facilitator: the adapter in
 * `facilitator/` translates what they really say into these classes, and the core never sees a raw reply.
 */

/** The facilitator says the transfer is on the chain, and its network, payer and amount match what was asked. */
export interface SettledOutcome {
  readonly class: "settled";
  /** Transaction hash, lower-case hex. */
  readonly transaction: string;
}

/** Refused before anything was broadcast: empty transaction and a reason known to be checked beforehand. */
export interface RefusedOutcome {
  readonly class: "refused";
  /** Normalised reason, see `facilitator/reasons.ts`. */
  readonly reason: string;
}

/** Accepted and on its way; must be followed up with the same facilitator only. */
export interface PendingOutcome {
  readonly class: "pending";
  readonly transaction: string | null;
}

/** The call was sent and nobody can say what it did: timeout, reset, 5xx, unreadable, nonce used, reverted. */
export interface AmbiguousOutcome {
  readonly class: "ambiguous";
  readonly reason: string;
  readonly transaction: string | null;
}

/** The call was never sent: circuit open, connection refused, rate limited before processing. */
export interface UnavailableOutcome {
  readonly class: "unavailable";
  readonly reason: string;
  /** When the facilitator asked us to come back, in milliseconds from now; null when it did not say. */
  readonly retryAfterMs: number | null;
}

export type SettleOutcome =
  | SettledOutcome
  | RefusedOutcome
  | PendingOutcome
  | AmbiguousOutcome
  | UnavailableOutcome;

/** Verification moves no money, so it has three answers only. */
export type VerifyOutcome =
  | { readonly class: "valid"; readonly payer: string }
  | { readonly class: "invalid"; readonly reason: string }
  | {
      readonly class: "unavailable";
      readonly reason: string;
      readonly retryAfterMs: number | null;
    };
