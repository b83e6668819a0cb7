import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import type { CallOutcome } from "../../src/facilitator/health-messages.ts";
import type { HealthSignal } from "../../src/facilitator/health-signal.ts";
import { listAlerts } from "../../src/tenant/directory/alerts.ts";
import { PLATFORM } from "../../src/tenant/tenant-id.ts";

/*
 * The object itself: storage, eviction, alarm. What it does with reports is tested on its pure state
 * (test/unit/facilitator-health-state.test.ts). The facilitators of this pool refuse every connection.
 */
function newHealth() {
  return env.FACILITATOR_HEALTH.getByName(crypto.randomUUID());
}
type Health = ReturnType<typeof newHealth>;

function outcomes(signal: HealthSignal, epoch = 0, probeId: string | null = null): CallOutcome[] {
  const outcome: CallOutcome = {
    facilitatorId: "primary",
    operation: "verify",
    signal,
    reason: null,
    epoch,
    durationMs: 40,
    ageMs: 0,
    probeId,
    retryAfterMs: null,
  };
  return [outcome, outcome, outcome];
}

/** Opens the breaker of verify at the primary. */
async function trip(health: Health): Promise<void> {
  await health.report({ instanceId: "edge-a", sequence: 1, outcomes: outcomes("timeout") });
}

async function primaryOf(health: Health) {
  const { facilitators } = await health.view();
  const primary = facilitators.find(({ id }) => id === "primary");
  if (primary === undefined) throw new Error("no primary");
  return primary;
}

it("answers a report with the state to route by", async () => {
  const health = newHealth();
  const first = await health.report({ instanceId: "edge-a", sequence: 1, outcomes: [] });
  expect(Object.keys(first.facilitators)).toEqual(["primary", "fallback"]);
  expect(first.facilitators["primary"]?.verify.state).toBe("closed");
  const second = await health.report({
    instanceId: "edge-a",
    sequence: 2,
    outcomes: outcomes("timeout"),
  });
  expect(second.facilitators["primary"]?.verify.state).toBe("open");
  expect(second.facilitators["primary"]?.settle.state).toBe("closed");
});

it("keeps an open breaker, and what it took in already, through an eviction", async () => {
  const health = newHealth();
  await trip(health);
  const before = await primaryOf(health);
  await evictDurableObject(health);
  const after = await primaryOf(health);
  expect(after.verify).toEqual(before.verify);
  expect(after.transitions).toEqual(before.transitions);
  // The same batch again: its number was kept too.
  await trip(health);
  expect((await health.view()).edges[0]?.calls).toEqual([
    { facilitatorId: "primary", operation: "verify", calls: 3, failures: 3 },
  ]);
});

it("starts afresh from a snapshot of another version", async () => {
  const health = newHealth();
  await trip(health);
  await runInDurableObject(health, async (_, { storage }) => {
    await storage.put("data", { health: { version: 0, facilitators: "something else" } });
  });
  await evictDurableObject(health);
  expect((await primaryOf(health)).verify.state).toBe("closed");
});

it("checks every facilitator by its alarm, also right after an eviction, and plans the next check", async () => {
  const health = newHealth();
  await trip(health);
  await evictDurableObject(health);
  await runDurableObjectAlarm(health);
  const { facilitators } = await health.view();
  for (const { lastCheck, supported } of facilitators) {
    expect(lastCheck?.signal).toBe("unreachable");
    expect(supported).toBeNull();
  }
  const [primary] = facilitators;
  expect(primary?.verify.state).toBe("open");
  const nextCheckAtMs = await runInDurableObject(health, (_, { storage }) => storage.getAlarm());
  expect(nextCheckAtMs).toBeGreaterThan(Date.now());
  expect(nextCheckAtMs).toBeLessThanOrEqual(Date.now() + 15_000);
});

it("reads the lists again within seconds when a kind was withdrawn", async () => {
  const health = newHealth();
  await health.report({ instanceId: "edge-a", sequence: 1, outcomes: [] });
  await runDurableObjectAlarm(health);
  const planned = () => runInDurableObject(health, (_, { storage }) => storage.getAlarm());
  expect(await planned()).toBeGreaterThan(Date.now() + 10_000);
  const withdrawn = outcomes("kind_withdrawn");
  await health.report({ instanceId: "edge-a", sequence: 2, outcomes: withdrawn });
  expect(await planned()).toBeLessThanOrEqual(Date.now() + 5_000);
});

it("stops checking when nobody has asked for a while", async () => {
  const health = newHealth();
  await trip(health);
  await runDurableObjectAlarm(health);
  await runInDurableObject(health, async (_, { storage }) => {
    const stored = await storage.get<{ health: { lastUsedMs: number } }>("data");
    if (stored === undefined) throw new Error("nothing stored");
    stored.health.lastUsedMs -= 11 * 60_000;
    await storage.put("data", stored);
  });
  await evictDurableObject(health);
  await runDurableObjectAlarm(health);
  const alarm = await runInDurableObject(health, (_, { storage }) => storage.getAlarm());
  expect(alarm).toBeNull();
  await health.view();
  expect(await runInDurableObject(health, (_, { storage }) => storage.getAlarm())).not.toBeNull();
});

it("grants a half-open probe once, and closes for everybody when it passes", async () => {
  const health = newHealth();
  await health.force("primary", "open", "maintenance");
  await health.force("primary", "auto", "done");
  const replies = await Promise.all(
    Array.from({ length: 5 }, () => health.requestProbe("primary", "verify")),
  );
  const granted = replies.filter(({ result }) => result === "granted");
  expect(granted).toHaveLength(1);
  const [probe] = granted;
  if (probe?.result !== "granted") throw new Error("not granted");
  const after = await health.report({
    instanceId: "edge-b",
    sequence: 1,
    outcomes: outcomes("healthy", probe.epoch, probe.probeId).slice(0, 1),
  });
  expect(after.facilitators["primary"]?.verify.state).toBe("closed");
  expect(await health.requestProbe("primary", "verify")).toEqual({ result: "denied" });
});

it("keeps a granted probe through an eviction, so that no second one is granted", async () => {
  const health = newHealth();
  await health.force("primary", "open", "maintenance");
  await health.force("primary", "auto", "done");
  expect((await health.requestProbe("primary", "settle")).result).toBe("granted");
  await evictDurableObject(health);
  expect(await health.requestProbe("primary", "settle")).toEqual({ result: "denied" });
});

it("keeps an operator's word through an eviction, and refuses one about nobody", async () => {
  const health = newHealth();
  expect(await health.force("primary", "open", "x".repeat(1_000))).toEqual({ result: "done" });
  await evictDurableObject(health);
  const { verify, settle } = await primaryOf(health);
  expect([verify.state, settle.state]).toEqual(["forced_open", "forced_open"]);
  expect(verify.forced?.reason).toHaveLength(200);
  expect(await health.force("nobody", "open", "x")).toEqual({ result: "unknown_facilitator" });
  expect(await health.requestProbe("nobody", "verify")).toEqual({ result: "denied" });
});

it("brings its alerts to the platform's directory within seconds, each once, also through an eviction", async () => {
  const alertsSince = async (atMs: number) => {
    const page = {
      tenantId: PLATFORM,
      kind: "facilitator_open",
      beforeId: null,
      limit: 500,
    } as const;
    const { alerts } = await listAlerts(env.DB, page);
    return alerts.filter((alert) => alert.atMs >= atMs);
  };
  const health = newHealth();
  const startedAtMs = Date.now();
  await trip(health);
  const alarmAtMs = await runInDurableObject(health, (_, { storage }) => storage.getAlarm());
  expect(alarmAtMs).toBeLessThanOrEqual(Date.now() + 5_000);
  await evictDurableObject(health);
  await runDurableObjectAlarm(health);
  await vi.waitFor(async () => expect(await alertsSince(startedAtMs)).toHaveLength(1), {
    timeout: 30_000,
    interval: 50,
  });
  expect((await alertsSince(startedAtMs))[0]).toMatchObject({
    tenantId: "platform",
    paymentId: null,
    detail: "verify at primary fails; calls go elsewhere (region default)",
  });
  await evictDurableObject(health);
  await runDurableObjectAlarm(health);
  expect(await alertsSince(startedAtMs)).toHaveLength(1);
});
