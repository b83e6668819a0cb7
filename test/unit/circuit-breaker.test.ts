import { describe, expect, it } from "vitest";
import {
  type BreakerPolicy,
  type CallReport,
  type CircuitBreaker,
  advance,
  effectiveState,
  force,
  initialBreaker,
  observe,
  requestProbe,
} from "../../src/facilitator/circuit-breaker.ts";
import type { HealthSignal } from "../../src/facilitator/health-signal.ts";

const START_MS = 1_800_000_000_000;

const POLICY: BreakerPolicy = {
  callsMin: 4,
  failureRateMax: 0.5,
  slowRateMax: 0.8,
  slowCallMs: 3_000,
  recentBucketCount: 2,
  openMs: 5_000,
  openMsMax: 60_000,
  forgiveMs: 600_000,
  probeLeaseMs: 10_000,
};

/** A breaker with its clock: each step says when it happens, in milliseconds after the start. */
class Timeline {
  breaker: CircuitBreaker = initialBreaker(START_MS);
  nowMs = START_MS;
  random = 0.5;

  at(elapsedMs: number): this {
    this.nowMs = START_MS + elapsedMs;
    this.breaker = advance(this.breaker, this.nowMs);
    return this;
  }

  see(signals: readonly HealthSignal[], fields: Partial<CallReport> = {}): this {
    const { epoch } = this.breaker.automatic;
    const reports = signals.map((signal): CallReport => ({
      signal,
      epoch,
      endedAtMs: this.nowMs,
      durationMs: 50,
      probeId: null,
      retryAfterMs: null,
      ...fields,
    }));
    this.breaker = observe(this.breaker, reports, POLICY, {
      nowMs: this.nowMs,
      random: this.random,
    });
    return this;
  }

  get state(): string {
    return effectiveState(this.breaker);
  }

  /** How long it stays open, in milliseconds; null when it is not. */
  get openMs(): number | null {
    const { automatic } = this.breaker;
    return automatic.state === "open" ? automatic.untilMs - this.nowMs : null;
  }

  probe(probeId: string): boolean {
    const granted = requestProbe(this.breaker, probeId, POLICY, this.nowMs);
    if (granted !== null) this.breaker = granted;
    return granted !== null;
  }
}

function times(count: number, signal: HealthSignal): HealthSignal[] {
  return Array.from({ length: count }, () => signal);
}

function opened(): Timeline {
  const timeline = new Timeline().at(0).see(times(4, "timeout"));
  expect(timeline.state).toBe("open");
  return timeline;
}

describe("a closed breaker", () => {
  it.each<[string, HealthSignal[], string]>([
    ["stays closed below the minimum of calls", times(3, "timeout"), "closed"],
    ["opens when every call fails", times(4, "unreachable"), "open"],
    ["opens at half of the calls failing", [...times(4, "server"), ...times(4, "healthy")], "open"],
    ["stays closed below half", [...times(4, "server"), ...times(5, "healthy")], "closed"],
    ["counts refused credentials", times(4, "auth"), "open"],
    ["counts unreadable replies", times(4, "malformed"), "open"],
    ["counts rejections that others contradict", times(4, "contradicted"), "open"],
    ["never counts what payers can provoke", times(100, "neutral"), "closed"],
    ["never counts rate limits", times(100, "rate_limited"), "closed"],
    ["never counts a withdrawn kind", times(100, "kind_withdrawn"), "closed"],
    [
      "does not dilute failures by payers' faults",
      [...times(4, "server"), ...times(50, "neutral")],
      "open",
    ],
  ])("%s", (_, signals, state) => {
    expect(new Timeline().at(0).see(signals).state).toBe(state);
  });

  it("opens when nearly every call is slow, and not when half of them are", () => {
    const slow = { durationMs: 3_001 };
    expect(new Timeline().at(0).see(times(4, "healthy"), slow).state).toBe("open");
    const half = new Timeline().at(0).see(times(4, "healthy")).see(times(4, "healthy"), slow);
    expect(half.state).toBe("closed");
  });

  it("forgets calls older than a minute", () => {
    const timeline = new Timeline().at(0).see(times(3, "timeout")).at(61_000);
    expect(timeline.see(["timeout"]).state).toBe("closed");
  });

  it("sees an outage begin under load, before it fills the minute", () => {
    const timeline = new Timeline().at(0).see(times(500, "healthy")).at(30_000);
    expect(timeline.see(times(10, "server")).state).toBe("open");
  });

  it("drops a report from before the window, however late it arrives", () => {
    const late = { endedAtMs: START_MS };
    expect(new Timeline().at(61_000).see(times(10, "timeout"), late).state).toBe("closed");
  });
});

describe("an open breaker", () => {
  it("becomes half-open by time alone", () => {
    expect(opened().at(4_999).state).toBe("open");
    expect(opened().at(5_000).state).toBe("half_open");
  });

  it("is moved neither by outcomes of calls made all the same nor by older ones", () => {
    const { breaker } = opened();
    const after = opened()
      .at(1_000)
      .see(times(10, "healthy"))
      .see(times(10, "timeout"), { epoch: 0 });
    expect(after.breaker.automatic).toEqual(breaker.automatic);
  });

  it("stays open longer each time in a row, up to the cap", () => {
    const timeline = opened();
    const durations = [timeline.openMs];
    for (let count = 0; count < 5; count += 1) {
      const elapsedMs = timeline.nowMs - START_MS + (timeline.openMs ?? 0);
      durations.push(timeline.at(elapsedMs).see(["timeout"]).openMs);
    }
    expect(durations).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("spreads its duration by a fifth either way", () => {
    const openMs = [0, 0.999_999].map((random) => {
      const timeline = new Timeline().at(0);
      timeline.random = random;
      return timeline.see(times(4, "timeout")).openMs;
    });
    expect(openMs).toEqual([4_000, 6_000]);
  });

  it("starts short again when it was closed for long enough", () => {
    const timeline = opened().at(5_000).see(["healthy"]);
    expect(timeline.state).toBe("closed");
    expect(timeline.at(300_000).see(times(4, "timeout")).openMs).toBe(10_000);
    timeline.at(310_000).see(["healthy"]);
    expect(timeline.at(910_001).see(times(4, "timeout")).openMs).toBe(5_000);
  });
});

describe("a half-open breaker", () => {
  it("grants one probe at a time", () => {
    const timeline = opened();
    expect(timeline.probe("early")).toBe(false);
    timeline.at(5_000);
    expect(timeline.probe("first")).toBe(true);
    expect(timeline.probe("second")).toBe(false);
  });

  it("closes when the probe passes, with an empty window", () => {
    const timeline = opened().at(5_000);
    timeline.probe("first");
    timeline.see(["healthy"], { probeId: "first" });
    expect(timeline.state).toBe("closed");
    expect(timeline.see(times(3, "timeout")).state).toBe("closed");
  });

  it.each<[string, HealthSignal, Partial<CallReport>]>([
    ["fails", "timeout", {}],
    ["is slow", "healthy", { durationMs: 3_001 }],
  ])("opens again when the probe %s", (_, signal, fields) => {
    const timeline = opened().at(5_000);
    timeline.probe("first");
    timeline.see([signal], { ...fields, probeId: "first" });
    expect(timeline.state).toBe("open");
    expect(timeline.openMs).toBe(10_000);
  });

  it("lets another call probe when the first one met a payer's fault", () => {
    const timeline = opened().at(5_000);
    timeline.probe("first");
    timeline.see(["neutral"], { probeId: "first" });
    expect(timeline.state).toBe("half_open");
    expect(timeline.probe("second")).toBe(true);
  });

  it("lets another call probe when the first one was lost", () => {
    const timeline = opened().at(5_000);
    timeline.probe("lost");
    expect(timeline.at(14_999).probe("second")).toBe(false);
    expect(timeline.at(15_000).probe("second")).toBe(true);
  });

  it("takes a failure over a success that arrives with it", () => {
    for (const signals of [["healthy", "timeout"] as const, ["timeout", "healthy"] as const]) {
      expect(opened().at(5_000).see(signals).state).toBe("open");
    }
  });

  it("ignores what was admitted before it was half-open", () => {
    const timeline = opened().at(5_000);
    timeline.see(["healthy"], { epoch: 0 }).see(["timeout"], { epoch: 1 });
    expect(timeline.state).toBe("half_open");
  });
});

describe("rate limits", () => {
  it("are kept until the time that was asked for, and never shortened by another report", () => {
    const timeline = new Timeline().at(0).see(["rate_limited"], { retryAfterMs: 9_000 });
    timeline.see(["rate_limited"], { retryAfterMs: 2_000 });
    expect(timeline.breaker.rateLimitedUntilMs).toBe(START_MS + 9_000);
  });

  it("last a second when nothing was asked for", () => {
    const timeline = new Timeline().at(0).see(["rate_limited"]);
    expect(timeline.breaker.rateLimitedUntilMs).toBe(START_MS + 1_000);
  });
});

function decide(timeline: Timeline, state: "open" | "closed" | "auto"): Timeline {
  timeline.breaker = force(timeline.breaker, { state, reason: "maintenance" }, timeline.nowMs);
  return timeline;
}

describe("an operator", () => {
  it("holds it open against successes, and gives it back half-open", () => {
    const timeline = decide(new Timeline().at(0), "open");
    expect(timeline.see(times(50, "healthy")).state).toBe("forced_open");
    expect(timeline.at(3_600_000).state).toBe("forced_open");
    expect(timeline.probe("any")).toBe(false);
    expect(decide(timeline, "auto").state).toBe("half_open");
  });

  it("holds it closed against failures, and gives it back closed", () => {
    const timeline = decide(opened(), "closed");
    expect(timeline.see(times(50, "timeout")).state).toBe("closed");
    expect(decide(timeline, "auto").see(times(3, "timeout")).state).toBe("closed");
    expect(timeline.see(["timeout"]).state).toBe("open");
  });

  it("makes calls that were under way count no more", () => {
    const timeline = decide(decide(new Timeline().at(0), "closed"), "auto");
    expect(timeline.see(times(50, "timeout"), { epoch: 0 }).state).toBe("closed");
  });

  it("changes nothing by giving back what was never taken", () => {
    const { breaker } = new Timeline().at(0).see(["timeout"]);
    expect(force(breaker, { state: "auto", reason: "" }, START_MS)).toBe(breaker);
  });
});
