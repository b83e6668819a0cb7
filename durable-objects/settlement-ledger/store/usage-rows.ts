import type { Usage } from "../../../src/contracts/usage.ts";
import {
  NO_USAGE,
  type Period,
  type UsageByPeriod,
  addUsage,
  periodAt,
} from "../../../src/tenant/budgets.ts";

/**
 * Counted use is in memory for so long at most: a row for every call would double what a call writes, and an object
 * that restarts loses seconds of a day's count.
 */
const USAGE_SAVED_WITHIN_MS = 5_000;

type UsageRow = {
  calls: number;
  charged_calls: number;
  refused_calls: number;
  limit_errors: number;
  egress_bytes: number;
  subrequests: number;
  cpu_ms: number;
  duration_ms: number;
  warnings: string;
};

interface CountedPeriod {
  readonly key: string;
  readonly untilMs: number;
  usage: Usage;
  /** Warnings that were given, as `<limit>:<percent>`. */
  readonly warnings: Set<string>;
}

/** What the tenant used, per day and month: counted in memory, and saved now and then by the alarm. */
export class UsageRows {
  readonly #sql: SqlStorage;
  readonly #wakeAt: (atMs: number) => void;
  readonly #periods: Partial<Record<Period, CountedPeriod>> = {};
  /** When what is counted has to be in the rows; null when it is. */
  #saveAtMs: number | null = null;

  /** @param wakeAt makes sure that the alarm fires then, to save what was counted */
  constructor(sql: SqlStorage, wakeAt: (atMs: number) => void) {
    this.#sql = sql;
    this.#wakeAt = wakeAt;
  }

  at(nowMs: number): UsageByPeriod {
    return { day: this.#at("day", nowMs).usage, month: this.#at("month", nowMs).usage };
  }

  add(more: Partial<Usage>, nowMs: number): void {
    for (const period of ["day", "month"] as const) {
      const counted = this.#at(period, nowMs);
      counted.usage = addUsage(counted.usage, more);
    }
    this.#saveSoon(nowMs);
  }

  /** Takes note of a warning. @returns false when it was given before */
  warn(period: Period, warning: string, nowMs: number): boolean {
    const { warnings } = this.#at(period, nowMs);
    if (warnings.has(warning)) return false;
    warnings.add(warning);
    this.#saveSoon(nowMs);
    return true;
  }

  /** Writes what was counted since the last time. */
  save(): void {
    if (this.#saveAtMs === null) return;
    for (const counted of Object.values(this.#periods)) this.#write(counted);
    this.#saveAtMs = null;
  }

  nextSaveAtMs(): number | null {
    return this.#saveAtMs;
  }

  #saveSoon(nowMs: number): void {
    if (this.#saveAtMs !== null) return;
    this.#saveAtMs = nowMs + USAGE_SAVED_WITHIN_MS;
    this.#wakeAt(this.#saveAtMs);
  }

  #at(period: Period, nowMs: number): CountedPeriod {
    const known = this.#periods[period];
    if (known !== undefined && nowMs < known.untilMs) return known;
    if (known !== undefined) this.#write(known);
    const { key, untilMs } = periodAt(period, nowMs);
    const counted = { key, untilMs, ...this.#read(key) };
    this.#periods[period] = counted;
    return counted;
  }

  #read(key: string): Pick<CountedPeriod, "usage" | "warnings"> {
    const [row] = this.#sql
      .exec<UsageRow>(
        `SELECT calls, charged_calls, refused_calls, limit_errors, egress_bytes, subrequests, cpu_ms,
           duration_ms, warnings FROM usage WHERE period = ?`,
        key,
      )
      .toArray();
    if (row === undefined) return { usage: NO_USAGE, warnings: new Set() };
    return {
      usage: {
        calls: row.calls,
        chargedCalls: row.charged_calls,
        refusedCalls: row.refused_calls,
        limitErrors: row.limit_errors,
        egressBytes: row.egress_bytes,
        subrequests: row.subrequests,
        cpuMs: row.cpu_ms,
        durationMs: row.duration_ms,
      },
      warnings: new Set(row.warnings.split(" ").filter((warning) => warning !== "")),
    };
  }

  #write({ key, usage, warnings }: CountedPeriod): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO usage (period, calls, charged_calls, refused_calls, limit_errors,
         egress_bytes, subrequests, cpu_ms, duration_ms, warnings)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      key,
      usage.calls,
      usage.chargedCalls,
      usage.refusedCalls,
      usage.limitErrors,
      usage.egressBytes,
      usage.subrequests,
      usage.cpuMs,
      usage.durationMs,
      [...warnings].join(" "),
    );
  }
}
