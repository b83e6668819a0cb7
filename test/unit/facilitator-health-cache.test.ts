import { beforeEach, describe, expect, it } from "vitest";
import type { FacilitatorHealthClient } from "../../durable-objects/facilitator-health/client.ts";
import type { FacilitatorConfig } from "../../src/config.ts";
import { PROBE_START_MS, breakerPolicy } from "../../src/facilitator/breaker-policy.ts";
import { HealthCache } from "../../src/facilitator/health-cache.ts";
import type { ObservedCall, OutcomeBatch } from "../../src/facilitator/health-messages.ts";
import { forceFacilitator, initialHealth } from "../../src/facilitator/health-state.ts";
import { healthView, routingHealth } from "../../src/facilitator/health-view.ts";

/*
 * An edge's copy of the shared health: when a call waits for it, and what is made of one that is old. The shared
 * health answers when the test lets it.
 */
const PRIMARY: FacilitatorConfig = {
  id: "primary",
  url: "https://primary.example",
  auth: { type: "none" },
  timeouts: { verifyMs: 5_000, settleMs: 20_000, supportedMs: 5_000 },
};
const HEALTHY_CALL: ObservedCall = {
  facilitatorId: "primary",
  operation: "verify",
  signal: "healthy",
  reason: null,
  epoch: 0,
  durationMs: 40,
  probeId: null,
  retryAfterMs: null,
};

/** One edge, the clock it has, and the shared health as it sees it. */
class CachedHealth {
  nowMs = 1_800_000_000_000;
  state = initialHealth([PRIMARY], this.nowMs);
  readonly batches: OutcomeBatch[] = [];
  /** Waits of the cache, in milliseconds. */
  readonly sleeps: number[] = [];
  answer: "at once" | "never" | "lost" = "at once";
  /** How long the shared health takes to grant a probe. */
  grantMs = 0;
  readonly #background: Promise<unknown>[] = [];
  readonly context = {
    waitUntil: (promise: Promise<unknown>) => void this.#background.push(promise),
  };
  readonly cache = new HealthCache({
    client: this.#client(),
    instanceId: "edge",
    now: () => this.nowMs,
    sleep: async (durationMs) => {
      this.sleeps.push(durationMs);
      await nextTurn();
    },
  });

  /** A call that needs to route: resolves when it need not wait any more. */
  async call(): Promise<void> {
    await this.cache.ready(this.context);
  }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  }

  get verify(): string {
    return this.cache.standing("primary", "verify").state;
  }

  #client(): FacilitatorHealthClient {
    return {
      report: async (batch) => {
        this.batches.push(batch);
        if (this.answer === "never") return new Promise(() => {});
        if (this.answer === "lost") throw new Error("object unreachable");
        return routingHealth(this.state, this.nowMs);
      },
      requestProbe: async (_, operation) => {
        this.nowMs += this.grantMs;
        const startWithinMs = PROBE_START_MS[operation];
        return { result: "granted", probeId: "probe", epoch: 1, startWithinMs };
      },
      view: async () => healthView(this.state, this.nowMs),
      force: async () => ({ result: "unknown_facilitator" }),
    };
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

let edge: CachedHealth;

beforeEach(() => {
  edge = new CachedHealth();
});

describe("a call", () => {
  it("waits for the first copy of its isolate, 300 ms at most", async () => {
    edge.answer = "never";
    await edge.call();
    expect(edge.sleeps).toEqual([300]);
    expect(edge.verify).toBe("closed");
  });

  it.each(["never", "lost"] as const)(
    "does not wait again for some seconds when a first copy never comes: %s",
    async (answer) => {
      edge.answer = answer;
      await edge.call();
      edge.sleeps.length = 0;
      for (let second = 1; second < 5; second += 1) {
        await edge.pass(1_000);
        await Promise.all([edge.call(), edge.call(), edge.call()]);
      }
      expect(edge.sleeps).toEqual([]);
      expect(edge.batches.length).toBeLessThanOrEqual(5);
      edge.answer = "at once";
      await edge.pass(5_000);
      await edge.call();
      expect(edge.verify).toBe("closed");
    },
  );

  it("never waits when there is a copy, however long the shared health takes", async () => {
    await edge.call();
    edge.answer = "never";
    edge.sleeps.length = 0;
    for (let second = 0; second < 50; second += 1) {
      await edge.pass(1_000);
      await edge.call();
    }
    expect(edge.sleeps).toEqual([]);
    expect(edge.batches.length).toBeGreaterThan(1);
  });

  it("has the copy renewed behind it when that is a second old, once for all calls", async () => {
    await edge.call();
    await edge.pass(999);
    await edge.call();
    expect(edge.batches).toHaveLength(1);
    await edge.pass(1);
    await Promise.all([edge.call(), edge.call(), edge.call()]);
    await edge.pass(0);
    expect(edge.batches).toHaveLength(2);
  });

  it("goes by an old copy for a minute, and then only by what an operator decided", async () => {
    const decide = (state: "open" | "auto") => {
      const decision = { state, reason: "maintenance" };
      edge.state = forceFacilitator(edge.state, "primary", decision, edge.nowMs);
    };
    decide("open");
    decide("auto");
    await edge.call();
    edge.answer = "lost";
    await edge.pass(59_999);
    expect(edge.verify).toBe("half_open");
    await edge.pass(1);
    expect(edge.verify).toBe("closed");
    edge.answer = "at once";
    decide("open");
    await edge.call();
    await edge.pass(600_000);
    expect(edge.verify).toBe("forced_open");
  });
});

it("a report that is lost stays lost, and takes nothing with it", async () => {
  await edge.call();
  await edge.pass(1_000);
  edge.answer = "lost";
  edge.cache.record(HEALTHY_CALL, edge.context);
  await edge.pass(1_000);
  edge.answer = "at once";
  edge.cache.record(HEALTHY_CALL, edge.context);
  await edge.pass(1_000);
  expect(edge.batches.map(({ outcomes }) => outcomes.length)).toEqual([0, 1, 1]);
  expect(edge.batches.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
});

describe.each(["verify", "settle"] as const)("the right to probe %s", (operation) => {
  const startMs = PROBE_START_MS[operation];

  it("is used up by one call, and is over in time, however late it was granted", async () => {
    edge.grantMs = 400;
    await edge.cache.requestProbe("primary", operation);
    await edge.pass(startMs - 401);
    expect(edge.cache.takeProbe("primary", operation)).not.toBeNull();
    expect(edge.cache.takeProbe("primary", operation)).toBeNull();
    await edge.cache.requestProbe("primary", operation);
    await edge.pass(startMs - 400);
    expect(edge.cache.takeProbe("primary", operation)).toBeNull();
  });

  it("lasts longer than a probe that is made at the last moment: nobody else probes meanwhile", () => {
    const timeoutMs = PRIMARY.timeouts[operation === "verify" ? "verifyMs" : "settleMs"];
    const reachableMs = 2_000;
    const overAfterMs = startMs + reachableMs + timeoutMs;
    expect(breakerPolicy(operation, PRIMARY).probeLeaseMs).toBeGreaterThan(overAfterMs);
  });
});
