import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { facilitatorHealthOf } from "../../durable-objects/facilitator-health/client.ts";
import type {
  AdminFacilitatorList,
  ForceFacilitatorResponse,
} from "../../src/contracts/admin-facilitators.ts";
import type { CallOutcome } from "../../src/facilitator/health-messages.ts";
import { REGIONS, type Region, healthObjectName } from "../../src/facilitator/region.ts";
import { call, createTenant, problemOf } from "../support/control-plane.ts";

const credential = env.OPERATOR_TOKEN;

async function list(): Promise<AdminFacilitatorList> {
  const response = await call("GET /admin/facilitators", { credential });
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  return await response.json();
}

function force(target: string, body: unknown = { reason: "maintenance until noon" }) {
  return call(`POST /admin/facilitators/${target}`, { credential, body });
}

async function forced(target: string) {
  const response = await force(target);
  expect(response.status).toBe(200);
  const { regions } = await response.json<ForceFacilitatorResponse>();
  // In every one of them it is the same.
  expect(regions.map(({ region }) => region)).toEqual(REGIONS);
  const [first] = regions;
  if (first === undefined) throw new Error("nowhere");
  return first.facilitator;
}

/** The region of embedded platforms, which is always there. */
async function defaultRegion() {
  const [first] = (await list()).regions;
  if (first?.region !== "default") throw new Error("no default region");
  return first;
}

async function primaryIn(region: Region) {
  const { facilitators } = await facilitatorHealthOf(env, region).view();
  const primary = facilitators.find(({ id }) => id === "primary");
  if (primary === undefined) throw new Error("no primary");
  return primary;
}

/** One edge's report of calls to the primary. */
async function report(
  instanceId: string,
  seen: Partial<CallOutcome>,
  count: number,
  region: Region = "default",
) {
  const outcome: CallOutcome = {
    facilitatorId: "primary",
    operation: "verify",
    signal: "healthy",
    reason: null,
    epoch: 0,
    durationMs: 40,
    ageMs: 0,
    probeId: null,
    retryAfterMs: null,
    ...seen,
  };
  const outcomes = Array.from({ length: count }, () => outcome);
  await facilitatorHealthOf(env, region).report({ instanceId, sequence: 1, outcomes });
}

describe("GET /admin/facilitators", () => {
  it("shows each facilitator's state, window, latencies and errors, and which edge saw what", async () => {
    await report("edge-lima", { durationMs: 80 }, 8);
    await report("edge-oslo", { operation: "settle", durationMs: 900 }, 5);
    await report("edge-rome", { signal: "timeout", reason: "facilitator_timeout" }, 2);
    const { facilitators, edges } = await defaultRegion();
    expect(facilitators.map(({ id }) => id)).toEqual(["primary", "fallback"]);
    const [primary] = facilitators;
    expect(primary?.verify).toMatchObject({
      state: "closed",
      forced: null,
      window: { calls: 10, failures: 2, slow: 0 },
      latency: { count: 10, p50Ms: 100, p95Ms: 100, p99Ms: 100 },
      callingEdges: 2,
      failingEdges: 1,
    });
    expect(primary?.verify.sinceMs).toBeGreaterThan(0);
    expect(primary?.settle.latency).toMatchObject({ count: 5, p95Ms: 1_000 });
    expect(primary?.lastErrors[0]).toMatchObject({
      source: "verify",
      signal: "timeout",
      reason: "facilitator_timeout",
      instanceId: "edge-rome",
    });
    expect(edges.find(({ instanceId }) => instanceId === "edge-rome")?.calls).toEqual([
      { facilitatorId: "primary", operation: "verify", calls: 2, failures: 2 },
    ]);
  });

  it("shows each region apart that edges call from, and starts nothing in the others", async () => {
    await report("edge-oslo", { signal: "timeout" }, 3, "weur");
    const { regions, unreachableRegions } = await list();
    expect(unreachableRegions).toEqual([]);
    expect(regions.map(({ region }) => region)).toEqual(["default", "weur"]);
    const states = regions.map(({ facilitators }) => facilitators[0]?.verify.state);
    expect(states).toEqual(["closed", "open"]);
    const alarm = (region: Region) =>
      runInDurableObject(
        env.FACILITATOR_HEALTH.getByName(healthObjectName(region)),
        (_, { storage }) => storage.getAlarm(),
      );
    expect(await alarm("weur")).not.toBeNull();
    expect(await alarm("apac")).toBeNull();
  });

  it("is for operators only", async () => {
    const { apiKey } = await createTenant();
    for (const target of ["GET /admin/facilitators", "POST /admin/facilitators/primary/open"]) {
      const nobody = await call(target);
      const tenant = await call(target, { credential: apiKey });
      expect([nobody.status, tenant.status]).toEqual([401, 403]);
    }
    expect((await defaultRegion()).facilitators[0]?.verify.forced).toBeNull();
  });
});

describe("an operator's word", () => {
  it("holds a facilitator open, then closed, then gives it back to its breakers, on record each time", async () => {
    const opened = await forced("fallback/open");
    for (const operation of [opened.verify, opened.settle]) {
      expect(operation.state).toBe("forced_open");
      expect(operation.forced).toMatchObject({ state: "open", reason: "maintenance until noon" });
    }
    const closed = await forced("fallback/close");
    expect([closed.verify.state, closed.verify.forced?.state]).toEqual(["closed", "closed"]);
    const given = await forced("fallback/auto");
    expect([given.verify.state, given.verify.forced]).toEqual(["closed", null]);
    const { audit } = await list();
    expect(audit.slice(0, 3)).toMatchObject(
      ["auto", "close", "open"].map((action) => ({
        action: `facilitator.${action}`,
        subject: "fallback",
        detail: { reason: "maintenance until noon", region: null },
      })),
    );
  });

  it("can be about one region alone, which is shown as long as it holds", async () => {
    const target = "primary/open";
    const response = await force(target, { reason: "cable cut", region: "oc" });
    const { regions } = await response.json<ForceFacilitatorResponse>();
    expect(regions.map(({ region }) => region)).toEqual(["oc"]);
    expect([(await primaryIn("oc")).verify.state, (await primaryIn("afr")).verify.state]).toEqual([
      "forced_open",
      "closed",
    ]);
    const before = await list();
    expect(before.regions.map(({ region }) => region)).toContain("oc");
    expect(before.audit[0]?.detail).toEqual({ reason: "cable cut", region: "oc" });
    await force("primary/auto", { reason: "cable mended", region: "oc" });
    expect((await list()).regions.map(({ region }) => region)).not.toContain("oc");
  });

  it("given back after it held a facilitator open, lets one probe decide", async () => {
    await forced("fallback/open");
    expect((await forced("fallback/auto")).settle.state).toBe("half_open");
  });

  it.each([
    ["without a body", undefined, [""]],
    ["without a reason", {}, ["reason"]],
    ["with a reason that says nothing", { reason: " x " }, ["reason"]],
    ["with a reason of a page", { reason: "x".repeat(201) }, ["reason"]],
    ["about a region that is none", { reason: "maintenance", region: "mars" }, ["region"]],
    ["with anything else", { reason: "maintenance", untilMs: 5 }, ["untilMs"]],
  ])("%s is refused, and changes nothing", async (_what, body, fields) => {
    const before = await list();
    expect(await problemOf(await force("primary/open", body ?? ""))).toEqual({
      status: 400,
      code: "invalid_request",
      fields,
    });
    const after = await list();
    expect(after.regions[0]?.facilitators[0]?.verify.forced).toBeNull();
    expect(after.audit).toEqual(before.audit);
  });

  it.each(["nobody/open", "primary/explode", "primary/closed"])(
    "about %s is not found, and is not put on record",
    async (target) => {
      const before = await list();
      expect(await problemOf(await force(target))).toMatchObject({ status: 404 });
      expect((await list()).audit).toEqual(before.audit);
    },
  );
});
