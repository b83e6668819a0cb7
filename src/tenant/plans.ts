/**
 * What each plan costs and allows: the one source for the ledger, the control plane and `/pricing`. Pure data and
 * arithmetic; amounts are atomic units of a stablecoin with six decimals (1,000 = $0.001), as USDC has everywhere
 * the platform sells.
 */
import type { Collection, PlanId } from "../contracts/snapshot.ts";
import type { Limits } from "./limits.ts";

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
  readonly limits: Limits;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY_MS = 24 * 60 * 60 * 1000;

/** What a hosted facilitator charges for one settlement since 2026: $0.001. */
const FACILITATOR_COST_ATOMIC = 1_000n;

export const PLANS: Readonly<Record<PlanId, Plan>> = {
  free: {
    id: "free",
    fees: [{ effectiveFrom: "2026-11-01", basisPoints: 500, floorAtomic: FACILITATOR_COST_ATOMIC }],
    limits: {
      requestBytesMax: 1 * MIB,
      responseBytesMax: 10 * MIB,
      retentionMs: 1 * DAY_MS,
      handlerDeadlineMs: 10_000,
      scriptDeadlineMs: 5_000,
      cpuMs: 50,
      subRequests: 10,
      egressHostsMax: 0,
      egressBytesMax: 5 * MIB,
      scriptsMax: 5,
      scriptModulesMax: 20,
      scriptBytesMax: 1 * MIB,
      datasetRowsMax: 25_000,
      datasetBytesMax: 5_000_000,
      requestsPerSecond: 100,
      concurrentCalls: 100,
      callsPerDay: 20_000,
      callsPerMonth: 200_000,
      egressBytesPerDay: 1 * GIB,
      egressBytesPerMonth: 10 * GIB,
      cpuMsPerDay: 600_000,
      cpuMsPerMonth: 6_000_000,
      durationMsPerDay: 10_000_000,
      durationMsPerMonth: 100_000_000,
      onBudgetSpent: "suspend",
    },
  },
  pro: {
    id: "pro",
    fees: [{ effectiveFrom: "2026-11-01", basisPoints: 250, floorAtomic: FACILITATOR_COST_ATOMIC }],
    limits: {
      requestBytesMax: 4 * MIB,
      responseBytesMax: 10 * MIB,
      retentionMs: 7 * DAY_MS,
      handlerDeadlineMs: 30_000,
      scriptDeadlineMs: 25_000,
      cpuMs: 200,
      subRequests: 50,
      egressHostsMax: 20,
      egressBytesMax: 25 * MIB,
      scriptsMax: 25,
      scriptModulesMax: 50,
      scriptBytesMax: 3 * MIB,
      datasetRowsMax: 50_000,
      datasetBytesMax: 12_500_000,
      requestsPerSecond: 250,
      concurrentCalls: 500,
      callsPerDay: 500_000,
      callsPerMonth: 10_000_000,
      egressBytesPerDay: 20 * GIB,
      egressBytesPerMonth: 300 * GIB,
      cpuMsPerDay: 20_000_000,
      cpuMsPerMonth: 400_000_000,
      durationMsPerDay: 500_000_000,
      durationMsPerMonth: 10_000_000_000,
      onBudgetSpent: "throttle",
    },
  },
  scale: {
    id: "scale",
    fees: [{ effectiveFrom: "2026-11-01", basisPoints: 100, floorAtomic: FACILITATOR_COST_ATOMIC }],
    limits: {
      requestBytesMax: 8 * MIB,
      responseBytesMax: 10 * MIB,
      retentionMs: 30 * DAY_MS,
      handlerDeadlineMs: 30_000,
      scriptDeadlineMs: 25_000,
      cpuMs: 1_000,
      subRequests: 200,
      egressHostsMax: 100,
      egressBytesMax: 100 * MIB,
      scriptsMax: 100,
      scriptModulesMax: 100,
      scriptBytesMax: 5 * MIB,
      datasetRowsMax: 100_000,
      datasetBytesMax: 25_000_000,
      requestsPerSecond: 500,
      concurrentCalls: 1_000,
      callsPerDay: 5_000_000,
      callsPerMonth: 100_000_000,
      egressBytesPerDay: 200 * GIB,
      egressBytesPerMonth: 3_000 * GIB,
      cpuMsPerDay: 200_000_000,
      cpuMsPerMonth: 4_000_000_000,
      durationMsPerDay: 10_000_000_000,
      durationMsPerMonth: 200_000_000_000,
      onBudgetSpent: "throttle",
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

/**
 * What the platform keeps of one settled call of a tenant. Of direct collection nothing passes through the platform:
 * there the plan pays for it.
 */
export function feeOf(
  { plan, collection }: { readonly plan: PlanId; readonly collection: Collection },
  amountAtomic: bigint,
): bigint {
  return collection === "direct" ? 0n : feeAtomic(plan, amountAtomic);
}
