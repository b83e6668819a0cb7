/** Rates and signs of code that runs away, over time that the test makes. */
import { describe, expect, test } from "vitest";
import { UNCHARGED_RUNS_MAX } from "../../durable-objects/settlement-ledger/admission/payer-limits.ts";
import {
  DURATION_ALERT_SHARE,
  DURATION_SUSPEND_SHARE,
  LIMIT_ERRORS_ALERT,
  LIMIT_ERRORS_SUSPEND,
  RunawayWatch,
  judgeMinute,
} from "../../durable-objects/settlement-ledger/admission/runaway.ts";
import { TokenBucket } from "../../durable-objects/settlement-ledger/admission/token-bucket.ts";

/** How many of `times` are admitted at one moment. */
function taken(bucket: TokenBucket, perSecond: number, times: number, nowMs: number): number {
  return Array.from({ length: times }, () => bucket.take(perSecond, nowMs)).filter(
    (waitMs) => waitMs === null,
  ).length;
}

describe("a token bucket", () => {
  test("gives a second's worth at once, and then so many a second, however long it was left alone", () => {
    const bucket = new TokenBucket();
    expect(taken(bucket, 10, 30, 1_000)).toBe(10);
    expect(taken(bucket, 10, 30, 1_500)).toBe(5);
    expect(taken(bucket, 10, 30, 3_600_000)).toBe(10);
  });

  test("never gives more than a second's worth and its rate over any stretch of time", () => {
    const bucket = new TokenBucket();
    let count = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 7) count += taken(bucket, 50, 3, nowMs);
    expect(count).toBeLessThanOrEqual(50 + 50 * 10);
    expect(count).toBeGreaterThanOrEqual(50 * 10);
  });

  test("says when there is one again, and keeps its word", () => {
    const bucket = new TokenBucket();
    taken(bucket, 4, 4, 1_000);
    const waitMs = bucket.take(4, 1_000) ?? 0;
    expect(waitMs).toBe(250);
    expect(bucket.take(4, 1_000 + waitMs)).toBeNull();
  });

  test("gets a token back once, and is no fuller than full for it", () => {
    const bucket = new TokenBucket();
    taken(bucket, 5, 5, 1_000);
    bucket.giveBack();
    expect(taken(bucket, 5, 5, 1_000)).toBe(1);
    for (let count = 0; count < 100; count += 1) bucket.giveBack();
    expect(taken(bucket, 5, 50, 1_000)).toBe(5);
  });

  test("a clock that is set back gives nothing for it", () => {
    const bucket = new TokenBucket();
    taken(bucket, 5, 5, 10_000);
    expect(bucket.take(5, 4_000)).not.toBeNull();
    expect(taken(bucket, 5, 50, 5_000)).toBe(5);
  });
});

describe("code that runs away", () => {
  const DAY_MS = 10_000_000;
  const erring = { calls: 1, limitErrors: 1, durationMs: 10 };

  test("no single payer's uncharged runs of a minute are enough to suspend a tenant", () => {
    expect(LIMIT_ERRORS_SUSPEND).toBeGreaterThan(UNCHARGED_RUNS_MAX + 60);
  });

  test.each([
    ["nothing unusual", { calls: 1_000, limitErrors: 0, durationMs: 1_000 }, null],
    ["errors", { calls: 60, limitErrors: LIMIT_ERRORS_ALERT, durationMs: 0 }, "alert"],
    ["one less", { calls: 60, limitErrors: LIMIT_ERRORS_ALERT - 1, durationMs: 0 }, null],
    ["many errors", { calls: 150, limitErrors: LIMIT_ERRORS_SUSPEND, durationMs: 0 }, "suspend"],
    ["rare errors of many calls", { calls: 10_000, limitErrors: 4_999, durationMs: 0 }, null],
    ["long", { calls: 10, limitErrors: 0, durationMs: DAY_MS * DURATION_ALERT_SHARE }, "alert"],
    [
      "very long",
      { calls: 10, limitErrors: 0, durationMs: DAY_MS * DURATION_SUSPEND_SHARE },
      "suspend",
    ],
  ] as const)("a minute of %s", (_name, use, level) => {
    expect(judgeMinute(use, DAY_MS)?.level ?? null).toBe(level);
  });

  test("operators are told once, then the tenant is suspended in the same minute", () => {
    const watch = new RunawayWatch();
    const signs = Array.from({ length: LIMIT_ERRORS_SUSPEND }, (_, index) =>
      watch.add(erring, DAY_MS, 1_000_000 + index),
    );
    expect(signs.filter((sign) => sign?.level === "alert")).toHaveLength(1);
    expect(signs.at(LIMIT_ERRORS_ALERT - 1)).toEqual({
      level: "alert",
      reason: `${LIMIT_ERRORS_ALERT} of ${LIMIT_ERRORS_ALERT} runs within a minute passed a limit`,
    });
    expect(signs.at(-1)?.level).toBe("suspend");
  });

  test("minutes are counted apart, and one after another are told of once", () => {
    const watch = new RunawayWatch();
    const minute = (number: number) =>
      Array.from({ length: LIMIT_ERRORS_ALERT }, () =>
        watch.add(erring, DAY_MS, 1_000_000 + number * 60_000),
      ).filter((sign) => sign !== null).length;
    expect([minute(0), minute(1), minute(2)]).toEqual([1, 0, 0]);
    // A minute without a sign, then again.
    expect(watch.add({ calls: 1 }, DAY_MS, 1_000_000 + 180_000)).toBeNull();
    expect(minute(4)).toBe(1);
  });

  test("after a release it starts anew", () => {
    const watch = new RunawayWatch();
    for (let count = 1; count < LIMIT_ERRORS_SUSPEND; count += 1) watch.add(erring, DAY_MS, 1_000);
    watch.forget();
    expect(watch.add(erring, DAY_MS, 1_000)).toBeNull();
  });
});
