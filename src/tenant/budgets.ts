/** Budgets of a day and of a month, and what is left of them. Pure; days and months are UTC. */
import type { BudgetUse, Usage } from "../contracts/usage.ts";
import type { Limits } from "./limits.ts";

/** Which use counts against which limit. The shorter period first: it is the one that is waited for. */
const BUDGETS = [
  { limit: "callsPerDay", period: "day", counter: "calls" },
  { limit: "egressBytesPerDay", period: "day", counter: "egressBytes" },
  { limit: "cpuMsPerDay", period: "day", counter: "cpuMs" },
  { limit: "durationMsPerDay", period: "day", counter: "durationMs" },
  { limit: "callsPerMonth", period: "month", counter: "calls" },
  { limit: "egressBytesPerMonth", period: "month", counter: "egressBytes" },
  { limit: "cpuMsPerMonth", period: "month", counter: "cpuMs" },
  { limit: "durationMsPerMonth", period: "month", counter: "durationMs" },
] as const;

export type BudgetName = (typeof BUDGETS)[number]["limit"];
export type Budgets = Readonly<Pick<Limits, BudgetName>>;

/** What decides whether a payment never seen before is taken. */
export type AdmissionLimits = Budgets &
  Readonly<Pick<Limits, "requestsPerSecond" | "concurrentCalls" | "onBudgetSpent">>;

/** The few of a tenant's limits that travel with every claim. */
export function admissionLimits(limits: Limits): AdmissionLimits {
  const { requestsPerSecond, concurrentCalls, onBudgetSpent } = limits;
  const { callsPerDay, egressBytesPerDay, cpuMsPerDay, durationMsPerDay } = limits;
  const { callsPerMonth, egressBytesPerMonth, cpuMsPerMonth, durationMsPerMonth } = limits;
  return {
    requestsPerSecond,
    concurrentCalls,
    onBudgetSpent,
    callsPerDay,
    egressBytesPerDay,
    cpuMsPerDay,
    durationMsPerDay,
    callsPerMonth,
    egressBytesPerMonth,
    cpuMsPerMonth,
    durationMsPerMonth,
  };
}

export type Period = "day" | "month";
export type UsageByPeriod = Readonly<Record<Period, Usage>>;

export interface PeriodBounds {
  /** `2026-11-23` or `2026-11`. */
  readonly key: string;
  readonly fromMs: number;
  /** The first millisecond after it. */
  readonly untilMs: number;
}

/** Percent of a budget at which its tenant's operators are told. */
const WARNING_PERCENTS = [80, 100] as const;

export const NO_USAGE: Usage = {
  calls: 0,
  chargedCalls: 0,
  refusedCalls: 0,
  limitErrors: 0,
  egressBytes: 0,
  subrequests: 0,
  cpuMs: 0,
  durationMs: 0,
};

/** Never below zero: a settlement may be taken back on the day after it was counted. */
export function addUsage(usage: Usage, more: Partial<Usage>): Usage {
  const sum = (counter: keyof Usage) => Math.max(0, usage[counter] + (more[counter] ?? 0));
  return {
    calls: sum("calls"),
    chargedCalls: sum("chargedCalls"),
    refusedCalls: sum("refusedCalls"),
    limitErrors: sum("limitErrors"),
    egressBytes: sum("egressBytes"),
    subrequests: sum("subrequests"),
    cpuMs: sum("cpuMs"),
    durationMs: sum("durationMs"),
  };
}

export function periodAt(period: Period, nowMs: number): PeriodBounds {
  const now = new Date(nowMs);
  const year = now.getUTCFullYear();
  const month = now.getUTCMonth();
  const day = now.getUTCDate();
  const iso = now.toISOString();
  return period === "day"
    ? {
        key: iso.slice(0, "0000-00-00".length),
        fromMs: Date.UTC(year, month, day),
        untilMs: Date.UTC(year, month, day + 1),
      }
    : {
        key: iso.slice(0, "0000-00".length),
        fromMs: Date.UTC(year, month),
        untilMs: Date.UTC(year, month + 1),
      };
}

/** What is used of every budget. */
export function budgetUses(usage: UsageByPeriod, budgets: Budgets): BudgetUse[] {
  return BUDGETS.map(({ limit, period, counter }) => {
    const used = usage[period][counter];
    const budget = budgets[limit];
    // A budget of nothing is spent from the start.
    const percent = budget === 0 ? 100 : Math.floor((used * 100) / budget);
    return { limit, used, budget, percent };
  });
}

export interface SpentBudget {
  readonly limit: BudgetName;
  readonly period: Period;
}

/** The budget that stands in the way of further calls for the longest time; null when there is something left of all. */
export function spentBudget(usage: UsageByPeriod, budgets: Budgets): SpentBudget | null {
  let spent: SpentBudget | null = null;
  for (const { limit, period, counter } of BUDGETS) {
    if (usage[period][counter] >= budgets[limit]) spent = { limit, period };
  }
  return spent;
}

export interface BudgetWarning extends SpentBudget {
  readonly percent: (typeof WARNING_PERCENTS)[number];
}

/** Which warnings are due by now, whether or not they were given before. */
export function warningsDue(usage: UsageByPeriod, budgets: Budgets): BudgetWarning[] {
  const due: BudgetWarning[] = [];
  for (const { limit, period, counter } of BUDGETS) {
    for (const percent of WARNING_PERCENTS) {
      if (usage[period][counter] * 100 >= budgets[limit] * percent) {
        due.push({ limit, period, percent });
      }
    }
  }
  return due;
}
