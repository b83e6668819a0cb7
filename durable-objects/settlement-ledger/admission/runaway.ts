/**
 * Notices code that runs away: runs that pass their limits one after another, or that take so long together that the
 * day's budget would be gone in no time. Counted per minute, in memory. Pure.
 */
import type { Usage } from "../../../src/contracts/usage.ts";

const MINUTE_MS = 60_000;

/**
 * Runs of one minute that passed a limit. What a single payer can have run for nothing within a minute is 120
 * (`UNCHARGED_RUNS_MAX` at once, and one more per second): nobody gets a tenant suspended with one wallet.
 */
export const LIMIT_ERRORS_ALERT = 60;
export const LIMIT_ERRORS_SUSPEND = 150;

/** At least so many of the minute's runs have to be such ones: a busy API is not suspended for its rare failures. */
const LIMIT_ERRORS_SHARE_MIN = 0.5;

/** Share of the day's budget of wall clock within one minute: at that rate it is gone in an hour, or in half of one. */
export const DURATION_ALERT_SHARE = 1 / 60;
export const DURATION_SUSPEND_SHARE = 1 / 30;

export interface RunawaySign {
  readonly level: "alert" | "suspend";
  /** In words, for operators and the tenant. */
  readonly reason: string;
}

type MinuteUse = Pick<Usage, "calls" | "limitErrors" | "durationMs">;

const NOTHING: MinuteUse = { calls: 0, limitErrors: 0, durationMs: 0 };

/** What one minute's use says; null when it is nothing unusual. */
export function judgeMinute(use: MinuteUse, durationMsPerDay: number): RunawaySign | null {
  const errors = use.limitErrors >= use.calls * LIMIT_ERRORS_SHARE_MIN ? use.limitErrors : 0;
  const duration = use.durationMs / durationMsPerDay;
  const level =
    errors >= LIMIT_ERRORS_SUSPEND || duration >= DURATION_SUSPEND_SHARE
      ? "suspend"
      : errors >= LIMIT_ERRORS_ALERT || duration >= DURATION_ALERT_SHARE
        ? "alert"
        : null;
  if (level === null) return null;
  const reason =
    errors >= LIMIT_ERRORS_ALERT
      ? `${use.limitErrors} of ${use.calls} runs within a minute passed a limit`
      : `runs took ${Math.round(use.durationMs / 1_000)} s within a minute, of ${Math.round(durationMsPerDay / 1_000)} s a day`;
  return { level, reason };
}

/** The minute that is being counted. */
export class RunawayWatch {
  #startedAtMs = 0;
  #use = NOTHING;
  /** Until a minute passes without a sign, operators are told once. */
  #isTold = false;

  /** Adds what was used. @returns a sign that is new */
  add(use: Partial<MinuteUse>, durationMsPerDay: number, nowMs: number): RunawaySign | null {
    if (nowMs - this.#startedAtMs >= MINUTE_MS) this.#begin(durationMsPerDay, nowMs);
    this.#use = {
      calls: this.#use.calls + (use.calls ?? 0),
      limitErrors: this.#use.limitErrors + (use.limitErrors ?? 0),
      durationMs: this.#use.durationMs + (use.durationMs ?? 0),
    };
    const sign = judgeMinute(this.#use, durationMsPerDay);
    if (sign === null || (sign.level === "alert" && this.#isTold)) return null;
    this.#isTold = true;
    return sign;
  }

  /** Forgets the minute: whoever resumes a tenant starts anew. */
  forget(): void {
    this.#startedAtMs = 0;
    this.#use = NOTHING;
    this.#isTold = false;
  }

  #begin(durationMsPerDay: number, nowMs: number): void {
    const isRecent = nowMs - this.#startedAtMs < 2 * MINUTE_MS;
    this.#isTold = isRecent && judgeMinute(this.#use, durationMsPerDay) !== null;
    this.#startedAtMs = nowMs;
    this.#use = NOTHING;
  }
}
