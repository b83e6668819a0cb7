/**
 * What each plan costs and allows: the one source for the ledger, the control plane and `/pricing`. Pure data and
 * arithmetic; amounts are atomic units of a stablecoin with six decimals (1,000 = $0.001), as USDC has everywhere
 * the platform sells.
 */
import type { PlanId } from "../contracts/snapshot.ts";

/** What the platform keeps of a settled call, from a date on. */
export interface FeeTerms {
  /** First day these terms hold (UTC), ISO 8601. */
  readonly effectiveFrom: string;
  /** Share of the price in hundredths of a percent. */
  readonly basisPoints: number;
  /** The least a call costs the tenant, unless half of the price is less. Atomic units. */
  readonly floorAtomic: bigint;
}

export interface Plan {
  readonly id: PlanId;
  /** Newest first: the first terms are in force, the others are history. A change is a new entry at the front. */
  readonly fees: readonly [FeeTerms, ...FeeTerms[]];
  /** Largest body of a call, bytes: it is held in memory, hashed and handed to the handler. */
  readonly requestBytesMax: number;
  /** Largest answer a handler may give, bytes; larger ones are not charged. */
  readonly responseBytesMax: number;
  /** How long the answer to a settled payment can be fetched again, milliseconds. */
  readonly retentionMs: number;
  /** How long a handler may take, milliseconds, wall clock. */
  readonly handlerDeadlineMs: number;
  /** What tenants' own code may be and use. */
  readonly scripts: ScriptPlan;
}

export interface ScriptPlan {
  /** Scripts of different names. */
  readonly countMax: number;
  /** Modules of one script. */
  readonly modulesMax: number;
  /** All modules of one script together, bytes. */
  readonly bytesMax: number;
  /** CPU time of one invocation, milliseconds. */
  readonly cpuMs: number;
  /** Requests that one invocation may make. */
  readonly subRequests: number;
  /** Entries of the list of hosts that they may go to. */
  readonly egressHostsMax: number;
  /** Bodies of those requests and of their answers together, bytes. */
  readonly egressBytesMax: number;
  /** Until the head of its answer, milliseconds of wall clock; the whole answer has `handlerDeadlineMs`. */
  readonly deadlineMs: number;
}

const MIB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What a hosted facilitator charges for one settlement since 2026: $0.001. */
const FACILITATOR_COST_ATOMIC = 1_000n;

export const PLANS: Readonly<Record<PlanId, Plan>> = {
  free: {
    id: "free",
    fees: [{ effectiveFrom: "2026-11-01", basisPoints: 500, floorAtomic: FACILITATOR_COST_ATOMIC }],
    requestBytesMax: 1 * MIB,
    responseBytesMax: 10 * MIB,
    retentionMs: 1 * DAY_MS,
    handlerDeadlineMs: 10_000,
    scripts: {
      countMax: 5,
      modulesMax: 20,
      bytesMax: 1 * MIB,
      cpuMs: 50,
      subRequests: 10,
      egressHostsMax: 0,
      egressBytesMax: 5 * MIB,
      deadlineMs: 5_000,
    },
  },
  pro: {
    id: "pro",
    fees: [{ effectiveFrom: "2026-11-01", basisPoints: 250, floorAtomic: FACILITATOR_COST_ATOMIC }],
    requestBytesMax: 4 * MIB,
    responseBytesMax: 10 * MIB,
    retentionMs: 7 * DAY_MS,
    handlerDeadlineMs: 30_000,
    scripts: {
      countMax: 25,
      modulesMax: 50,
      bytesMax: 3 * MIB,
      cpuMs: 200,
      subRequests: 50,
      egressHostsMax: 20,
      egressBytesMax: 25 * MIB,
      deadlineMs: 25_000,
    },
  },
  scale: {
    id: "scale",
    fees: [{ effectiveFrom: "2026-11-01", basisPoints: 100, floorAtomic: FACILITATOR_COST_ATOMIC }],
    requestBytesMax: 8 * MIB,
    responseBytesMax: 10 * MIB,
    retentionMs: 30 * DAY_MS,
    handlerDeadlineMs: 30_000,
    scripts: {
      countMax: 100,
      modulesMax: 100,
      bytesMax: 5 * MIB,
      cpuMs: 1_000,
      subRequests: 200,
      egressHostsMax: 100,
      egressBytesMax: 100 * MIB,
      deadlineMs: 25_000,
    },
  },
};

const BASIS_POINTS_WHOLE = 10_000n;

/**
 * What the platform keeps of one settled call: the plan's share, rounded down in the tenant's favour, or the floor
 * if that is more. The floor takes at most half of the price: below $0.002 the platform shares the facilitator's
 * cost, so that a call always earns its tenant something.
 *
 * @param amountAtomic price of the call, atomic units, not negative
 * @returns atomic units, between 0 and half of the amount
 */
export function feeAtomic(planId: PlanId, amountAtomic: bigint): bigint {
  if (amountAtomic < 0n) throw new RangeError(`a price is never negative: ${amountAtomic}`);
  const [terms] = PLANS[planId].fees;
  const share = (amountAtomic * BigInt(terms.basisPoints)) / BASIS_POINTS_WHOLE;
  const half = amountAtomic / 2n;
  const floor = terms.floorAtomic < half ? terms.floorAtomic : half;
  return share > floor ? share : floor;
}
