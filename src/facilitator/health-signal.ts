/**
 * What one call says about the facilitator's health, whatever it said about the payment.
 *
 * - `healthy`: it did its work, be it slowly (the breaker looks at the duration).
 * - `neutral`: a proper answer about this payment, payer or tenant; anybody can provoke it, so it says nothing.
 * - `rate_limited`: we asked too often. Load is shed, the breaker stays as it is.
 * - `kind_withdrawn`: it no longer serves this kind of payment; its list of kinds is read again.
 * - everything else is a failure, and counts.
 */
export type HealthSignal = "healthy" | "neutral" | "rate_limited" | "kind_withdrawn" | Failure;

export type Failure =
  /** Our credentials were refused. */
  | "auth"
  /** A 5xx of its own making, or of the edge in front of it. */
  | "server"
  /** Not the protocol: HTML, broken JSON, a missing field, a body over the cap, a redirect. */
  | "malformed"
  | "timeout"
  /** No answer at all: refused, reset, closed, no such host. */
  | "unreachable"
  /** It rejected a payment that our own checks and another facilitator found valid. */
  | "contradicted";

const FAILURES: ReadonlySet<HealthSignal> = new Set<Failure>([
  "auth",
  "server",
  "malformed",
  "timeout",
  "unreachable",
  "contradicted",
]);

export function isFailure(signal: HealthSignal): signal is Failure {
  return FAILURES.has(signal);
}

/** The two calls that have a breaker each: a facilitator can verify well and settle nothing. */
export type Operation = "verify" | "settle";
