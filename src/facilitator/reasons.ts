/**
 * Why a payment was turned down, in one vocabulary, and what each reason is good for. `reason-codes.ts` maps what
 * facilitators really say to it.
 */
import type { HealthSignal } from "./health-signal.ts";

export interface ReasonRule {
  /**
   * On `isValid: false`: `invalid` is the payer's to fix, `doubtful` is worth the opinion of another facilitator,
   * `unavailable` is no answer about the payment at all.
   */
  readonly verify: "invalid" | "doubtful" | "unavailable";
  /**
   * On `success: false` without a transaction: `refused` proves that this attempt broadcast nothing and never will,
   * `unavailable` that it was turned away unprocessed and may be made elsewhere. Everything else proves nothing.
   */
  readonly settle: "refused" | "unavailable" | "pending" | "ambiguous";
  readonly health: HealthSignal;
}

/** Found wrong with the payment itself, before a transaction is built. */
const PAYER_FAULT = { verify: "invalid", settle: "refused", health: "neutral" } as const;

/** Found wrong with what we checked ourselves, or with terms our configuration vouches for: another one is asked. */
const CONTRADICTS_US = { verify: "doubtful", settle: "refused", health: "neutral" } as const;

/** The authorization may have been used, by us or by anybody: only the chain can tell. */
const MAY_HAVE_LANDED = { verify: "invalid", settle: "ambiguous", health: "neutral" } as const;

/** Can be the payment, and can be the facilitator's own node. */
const INCONCLUSIVE = { verify: "doubtful", settle: "ambiguous", health: "neutral" } as const;

/** The facilitator failed while it worked on the payment; nobody can say how far it got. */
const FACILITATOR_FAULT = { verify: "unavailable", settle: "ambiguous", health: "server" } as const;

/** Turned away for the tenant's account or the facilitator's own schema: elsewhere it can be welcome. */
const TURNED_AWAY = { verify: "unavailable", settle: "unavailable", health: "neutral" } as const;

/** No usable answer. What was sent may have been worked on, so a settlement stays open. */
function noAnswer<Signal extends HealthSignal>(health: Signal) {
  return { verify: "unavailable", settle: "ambiguous", health } as const;
}

export const REASON_RULES = {
  insufficient_funds: PAYER_FAULT,
  invalid_signature: PAYER_FAULT,
  authorization_expired: PAYER_FAULT,
  authorization_not_yet_valid: PAYER_FAULT,
  invalid_payload: PAYER_FAULT,
  payment_screened: PAYER_FAULT,
  smart_wallet_unsupported: PAYER_FAULT,
  permit2_allowance_required: PAYER_FAULT,
  facilitator_mismatch: PAYER_FAULT,

  amount_mismatch: CONTRADICTS_US,
  recipient_mismatch: CONTRADICTS_US,
  asset_mismatch: CONTRADICTS_US,
  network_mismatch: CONTRADICTS_US,
  scheme_mismatch: CONTRADICTS_US,
  invalid_payment_requirements: CONTRADICTS_US,
  token_domain_mismatch: CONTRADICTS_US,
  asset_unsupported: CONTRADICTS_US,

  authorization_used: MAY_HAVE_LANDED,
  duplicate_settlement: MAY_HAVE_LANDED,
  credential_bound_elsewhere: MAY_HAVE_LANDED,

  simulation_failed: INCONCLUSIVE,
  unrecognized_reason: INCONCLUSIVE,

  transaction_failed: FACILITATOR_FAULT,
  transfer_missing: FACILITATOR_FAULT,
  facilitator_error: FACILITATOR_FAULT,

  registration_required: TURNED_AWAY,
  request_rejected: TURNED_AWAY,

  malformed_reply: noAnswer("malformed"),
  settlement_mismatch: noAnswer("malformed"),
  facilitator_timeout: noAnswer("timeout"),
  facilitator_unreachable: noAnswer("unreachable"),
  /** A 4xx that does not say why. Payers can provoke one, so it is not held against the facilitator. */
  unexplained_rejection: noAnswer("neutral"),

  settlement_pending: { verify: "unavailable", settle: "pending", health: "healthy" },
  kind_unsupported: { verify: "unavailable", settle: "unavailable", health: "kind_withdrawn" },
  unauthorized: { verify: "unavailable", settle: "unavailable", health: "auth" },
  rate_limited: { verify: "unavailable", settle: "unavailable", health: "rate_limited" },
  endpoint_missing: { verify: "unavailable", settle: "unavailable", health: "malformed" },
} as const satisfies Readonly<Record<string, ReasonRule>>;

/** Normalised reason: what callers, operators and the ledger see. */
export type Reason = keyof typeof REASON_RULES;
