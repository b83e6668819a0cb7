import type { AdmissionLimits } from "../../src/tenant/budgets.ts";

const PLENTY = 1e12;

/** For tests of something else: no limit of a tenant's stands in their way. */
export const UNBOUNDED_LIMITS: AdmissionLimits = {
  requestsPerSecond: PLENTY,
  concurrentCalls: PLENTY,
  onBudgetSpent: "throttle",
  callsPerDay: PLENTY,
  egressBytesPerDay: PLENTY,
  cpuMsPerDay: PLENTY,
  durationMsPerDay: PLENTY,
  callsPerMonth: PLENTY,
  egressBytesPerMonth: PLENTY,
  cpuMsPerMonth: PLENTY,
  durationMsPerMonth: PLENTY,
};
