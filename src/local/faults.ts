/**
 * Which fault a local facilitator shows to its next call. Pure: the plan goes in, and the fault and the plan for the
 * call after come out.
 */

export const OPERATIONS = ["verify", "settle", "supported"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Faults that end or delay a call before anything was done, whatever it was for. */
export const CALL_FAULTS = [
  /** The connection is destroyed with the request unread. For a refused connection, `pause()` the facilitator. */
  "refuse",
  /** 500 with a JSON error. */
  "500",
  /** 503 with an HTML page, as the edge in front of a hosted facilitator answers. */
  "503-html",
  /** 429 with `Retry-After`. */
  "429",
  /** 200 with JSON that breaks off. */
  "bad-json",
  /** Works after `delayMs`. */
  "slow",
  /** No answer. Nothing is done either, unless the call is released: then it is done late. */
  "hang",
] as const;

/** Faults of settlements only. In all but the last the transaction does reach the chain. */
export const SETTLE_FAULTS = [
  /** Settled, answered 502. */
  "settle-then-lost",
  /** Settled, no answer; a released call gets it. */
  "settle-then-hang",
  /**
   * Broadcast, answered `settlement_pending` with the hash at once; settled again later, it is reconciled. Of a v1
   * payment the reference forgets the hash: a failure with the text of an error for a reason.
   */
  "pending",
  /** Answered as settled, with a transaction that nobody has ever sent. */
  "lie",
] as const;

export type CallFault = (typeof CALL_FAULTS)[number];
export type SettleFault = (typeof SETTLE_FAULTS)[number];
export type Fault = "ok" | CallFault | SettleFault;

const SLOW_DEFAULT_MS = 1_000;

/** An order to show a fault; it replaces whatever was ordered for the operation before. `ok` only takes that back. */
export interface FaultInjection {
  readonly operation: Operation | "all";
  readonly fault: Fault;
  /** How long `slow` waits, in milliseconds; `SLOW_DEFAULT_MS` when left out. */
  readonly delayMs?: number | undefined;
  /** For how many calls; until changed when left out. */
  readonly times?: number | undefined;
}

export interface ActiveFault {
  readonly fault: Exclude<Fault, "ok">;
  readonly delayMs: number;
  /** Calls that will still meet it; null for all. */
  readonly remaining: number | null;
}

export type FaultPlan = Readonly<Record<Operation, ActiveFault | null>>;

export const NO_FAULTS: FaultPlan = { verify: null, settle: null, supported: null };

/** The plan with the order carried out. */
export function injectFault(plan: FaultPlan, injection: FaultInjection): FaultPlan {
  const { operation, fault, delayMs = SLOW_DEFAULT_MS, times = null } = injection;
  const active = fault === "ok" ? null : { fault, delayMs, remaining: times };
  return operation === "all"
    ? { verify: active, settle: active, supported: active }
    : { ...plan, [operation]: active };
}

/** The fault for a call that has just arrived, and the plan for those that follow. */
export function nextFault(
  plan: FaultPlan,
  operation: Operation,
): { readonly fault: ActiveFault | null; readonly plan: FaultPlan } {
  const fault = plan[operation];
  if (fault === null || fault.remaining === null) return { fault, plan };
  const remaining = fault.remaining - 1;
  return { fault, plan: { ...plan, [operation]: remaining > 0 ? { ...fault, remaining } : null } };
}
