/**
 * What a tenant may cost the platform: whether a payment never seen before is taken, what was used, and the suspension
 * of a tenant whose budget is spent or whose code runs away. All of it is decided in memory; rows are written for
 * warnings and suspensions at once, for counts every few seconds.
 */
import type { ContainmentState, EgressUse, HandlerUsage } from "../../../src/contracts/ledger.ts";
import type { Suspension, Usage } from "../../../src/contracts/usage.ts";
import type { NotAdmitted } from "../../../src/settlement/claim.ts";
import {
  type AdmissionLimits,
  type BudgetWarning,
  periodAt,
  spentBudget,
  warningsDue,
} from "../../../src/tenant/budgets.ts";
import { RunawayWatch } from "./runaway.ts";
import type { SqlStore } from "../store/sql-store.ts";
import { SuspensionRow } from "../store/suspension-row.ts";
import { TokenBucket } from "./token-bucket.ts";

/** After this a call may have ended that took the last place. */
const PLACE_RETRY_MS = 1_000;

/** Calls that are being worked on. */
export interface OpenCalls {
  /** Those of dead edges included. */
  readonly openCalls: number;
  liveCalls(nowMs: number): number;
}

export class Containment {
  readonly #store: SqlStore;
  readonly #suspension: SuspensionRow;
  readonly #bucket = new TokenBucket();
  readonly #runaway = new RunawayWatch();
  /** As the last claim said them; null until there is one. */
  #limits: AdmissionLimits | null = null;

  constructor(store: SqlStore, sql: SqlStorage) {
    this.#store = store;
    this.#suspension = new SuspensionRow(sql);
  }

  /** Whether a payment never seen before is taken. @returns null when it is */
  admit(limits: AdmissionLimits, calls: OpenCalls, nowMs: number): NotAdmitted | null {
    this.#limits = limits;
    const refusal = this.#refusal(limits, calls, nowMs);
    if (refusal !== null) this.#store.usage.add({ refusedCalls: 1 }, nowMs);
    return refusal;
  }

  #refusal(limits: AdmissionLimits, calls: OpenCalls, nowMs: number): NotAdmitted | null {
    const suspension = this.#suspension.at(nowMs);
    if (suspension !== null) {
      const { untilMs } = suspension;
      const retryAfterMs = untilMs === null ? null : untilMs - nowMs;
      return { code: "tenant_suspended", limit: null, retryAfterMs };
    }
    const usage = this.#store.usage.at(nowMs);
    const spent = spentBudget(usage, limits);
    if (spent !== null) {
      return over(spent.limit, periodAt(spent.period, nowMs).untilMs - nowMs);
    }
    // Calls that are open have not been counted yet: each may be the last that the budget allows.
    const places = [
      ["callsPerMonth", limits.callsPerMonth - usage.month.calls],
      ["callsPerDay", limits.callsPerDay - usage.day.calls],
      ["concurrentCalls", limits.concurrentCalls],
    ] as const;
    const [limit, left] = places.reduce((fewest, place) => (place[1] < fewest[1] ? place : fewest));
    if (calls.openCalls >= left && calls.liveCalls(nowMs) >= left)
      return over(limit, PLACE_RETRY_MS);
    const retryAfterMs = this.#bucket.take(limits.requestsPerSecond, nowMs);
    return retryAfterMs === null ? null : over("requestsPerSecond", retryAfterMs);
  }

  /** A claim that was admitted was given back: one whose handler did not run has cost nothing. */
  released(usage: HandlerUsage | null, wasHeld: boolean, nowMs: number): void {
    if (usage !== null) this.ran(usage, nowMs);
    else if (wasHeld) this.#bucket.giveBack();
  }

  /** Counts a run of a handler. @param usage null when there was none */
  ran(usage: HandlerUsage | null, nowMs: number): void {
    if (usage === null) return;
    const { durationMs, cpuMs, egressBytes, limitError } = usage;
    const limitErrors = limitError ? 1 : 0;
    this.#used({ calls: 1, durationMs, cpuMs, egressBytes, limitErrors }, nowMs);
  }

  /** Counts what tenants' code moved through the egress policy, whichever run it was of. */
  moved(use: EgressUse, nowMs: number): void {
    this.#used(use, nowMs);
  }

  /** @param change 1 when a payment has settled, -1 when that was taken back */
  charged(change: 1 | -1, nowMs: number): void {
    this.#store.usage.add({ chargedCalls: change }, nowMs);
  }

  state(nowMs: number): ContainmentState {
    const usage = this.#store.usage.at(nowMs);
    return { usage, suspension: this.#suspension.at(nowMs), atMs: nowMs };
  }

  /**
   * Stops new payments at once; one by an operator takes the place of an earlier one. Null takes them again: a budget
   * that is still spent throttles until its period ends.
   */
  setSuspension(suspension: Suspension | null): void {
    if (suspension !== null) {
      this.#suspension.put(suspension);
      return;
    }
    this.#suspension.remove();
    this.#runaway.forget();
  }

  #used(more: Partial<Usage>, nowMs: number): void {
    this.#store.usage.add(more, nowMs);
    const limits = this.#limits;
    // Nothing was claimed since the object started: the next claim brings the limits, and its run is judged.
    if (limits === null) return;
    for (const warning of warningsDue(this.#store.usage.at(nowMs), limits)) {
      this.#warn(warning, limits, nowMs);
    }
    const sign = this.#runaway.add(more, limits.durationMsPerDay, nowMs);
    if (sign === null) return;
    if (sign.level === "suspend") this.#suspendAlone(`runaway: ${sign.reason}`, nowMs);
    else this.#store.alerts.append("runaway_suspected", null, sign.reason, nowMs);
  }

  /** Each once per period and budget. Alert, mark and suspension are one transaction. */
  #warn(warning: BudgetWarning, limits: AdmissionLimits, nowMs: number): void {
    const { limit, period, percent } = warning;
    const { usage, alerts } = this.#store;
    // A budget that was raised meanwhile is another one.
    if (!usage.warn(period, `${limit}:${percent}:${limits[limit]}`, nowMs)) return;
    const kind = percent < 100 ? "budget_warning" : "budget_spent";
    this.#store.transaction(() => {
      alerts.append(kind, null, `${percent} % of ${limit} is used`, nowMs);
      usage.save();
      if (percent === 100 && limits.onBudgetSpent === "suspend") {
        this.#suspendAlone(`budget spent: ${limit}`, nowMs);
      }
    });
  }

  /** Until an operator ends it; one that stands already stays as it is. */
  #suspendAlone(reason: string, nowMs: number): void {
    if (this.#suspension.at(nowMs) !== null) return;
    this.#store.transaction(() => {
      this.#suspension.put({ reason, by: null, sinceMs: nowMs, untilMs: null });
      this.#store.alerts.append("tenant_suspended", null, reason, nowMs);
    });
  }
}

function over(limit: string, retryAfterMs: number): NotAdmitted {
  return { code: "tenant_limit_exceeded", limit, retryAfterMs };
}
