/** From a tenant's request for higher limits to their end, and what each limit of the control plane refuses. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { auditListSchema } from "../../src/contracts/admin-api.ts";
import {
  adminOverrideListSchema,
  adminOverrideSchema,
  limitsAnswerSchema,
  overrideListSchema,
  overrideViewSchema,
  type OverrideView,
} from "../../src/contracts/limit-overrides.ts";
import { tenantSnapshotSchema, type PlanId } from "../../src/contracts/snapshot.ts";
import { scriptListSchema } from "../../src/contracts/script.ts";
import { OPEN_REQUESTS_MAX } from "../../src/tenant/directory/limit-overrides.ts";
import { CEILINGS, effectiveLimits, type Limits } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";
import { handlerSource, singleModule, uploadScript } from "../support/scripts.ts";

const REASON = "a model of ours needs it";

let tenant: TestTenant;

beforeEach(async () => {
  tenant = await createTenant();
});

afterEach(() => vi.useRealTimers());

function ask(limits: unknown, { apiKey } = tenant): Promise<Response> {
  return call("POST /v1/limit-overrides", { credential: apiKey, body: { limits, reason: REASON } });
}

async function requested(limits: unknown, from = tenant): Promise<OverrideView> {
  const response = await ask(limits, from);
  expect(response.status).toBe(201);
  return overrideViewSchema.parse(await response.json());
}

function decide(overrideId: string, step: string, body: object = {}): Promise<Response> {
  return call(`POST /admin/limit-overrides/${overrideId}/${step}`, {
    credential: env.OPERATOR_TOKEN,
    body: { reason: "looked at", ...body },
  });
}

async function decided(overrideId: string, step: string, body: object = {}) {
  const response = await decide(overrideId, step, body);
  expect(response.status).toBe(200);
  return adminOverrideSchema.parse(await response.json());
}

/** What every edge reads. */
async function publishedLimits({ tenantId } = tenant, nowMs = Date.now()): Promise<Limits> {
  const snapshot = tenantSnapshotSchema.parse(
    await env.SNAPSHOTS.get(`tenant:${tenantId}`, "json"),
  );
  return effectiveLimits(snapshot, nowMs);
}

async function limitsOf({ apiKey } = tenant) {
  return limitsAnswerSchema.parse(
    await (await call("GET /v1/limits", { credential: apiKey })).json(),
  );
}

async function overridesOf({ apiKey } = tenant): Promise<OverrideView[]> {
  const response = await call("GET /v1/limit-overrides", { credential: apiKey });
  return overrideListSchema.parse(await response.json()).overrides;
}

async function adminOverrides(query: string) {
  const response = await call(`GET /admin/limit-overrides?${query}`, {
    credential: env.OPERATOR_TOKEN,
  });
  return adminOverrideListSchema.parse(await response.json());
}

describe("what a tenant asks for", () => {
  test("waits for an operator and changes nothing", async () => {
    const { overrideId } = await requested({ cpuMs: 500 });
    expect(await overridesOf()).toMatchObject([
      { overrideId, status: "requested", requested: { cpuMs: 500 }, approved: null },
    ]);
    expect((await limitsOf()).limits).toEqual(PLANS.free.limits);
    expect((await adminOverrides("status=requested")).overrides).toContainEqual(
      expect.objectContaining({ overrideId, tenantId: tenant.tenantId, plan: "free" }),
    );
  });

  test.each<[name: string, limits: unknown, fields: string[]]>([
    ["over the ceiling", { cpuMs: CEILINGS.cpuMs + 1 }, ["limits.cpuMs"]],
    ["what the plan gives anyway", { cpuMs: 50 }, ["limits.cpuMs"]],
    ["less than the plan gives", { retentionMs: 1, cpuMs: 500 }, ["limits.retentionMs"]],
    ["a limit that is none", { cpuMilliseconds: 500 }, ["limits.cpuMilliseconds", "limits"]],
    [
      "what happens when a budget is spent",
      { onBudgetSpent: 1 },
      ["limits.onBudgetSpent", "limits"],
    ],
    ["half a host", { egressHostsMax: 1.5 }, ["limits.egressHostsMax"]],
    ["a text", { cpuMs: "500" }, ["limits.cpuMs"]],
    ["nothing", {}, ["limits"]],
  ])("is refused when it is %s", async (_name, limits, fields) => {
    expect(await problemOf(await ask(limits))).toEqual({
      status: 400,
      code: "invalid_request",
      fields,
    });
    expect(await overridesOf()).toEqual([]);
  });

  test("is told the ceiling", async () => {
    const response = await ask({ subRequests: 2_000 });
    expect(await response.json()).toMatchObject({
      detail: "limits.subRequests must be at most 1000, the ceiling for every tenant.",
    });
  });

  test("is bounded: so many requests wait at a time, of one tenant", async () => {
    const atOnce = Array.from({ length: 2 * OPEN_REQUESTS_MAX }, () => ask({ cpuMs: 500 }));
    const statuses = (await Promise.all(atOnce)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(OPEN_REQUESTS_MAX);
    expect(await overridesOf()).toHaveLength(OPEN_REQUESTS_MAX);
    expect(await problemOf(await ask({ cpuMs: 500 }))).toMatchObject({
      status: 409,
      code: "too_many_overrides",
    });
    await requested({ cpuMs: 500 }, await createTenant());
    const [first] = await overridesOf();
    await decided(first?.overrideId ?? "", "deny");
    await requested({ cpuMs: 500 });
  });

  test("is seen by nobody else, and decided by operators only", async () => {
    const { overrideId } = await requested({ cpuMs: 500 });
    const other = await createTenant();
    expect(await overridesOf(other)).toEqual([]);
    const asTenant = { credential: other.apiKey, body: { reason: REASON } };
    for (const step of ["approve", "deny", "revoke"]) {
      const response = await call(`POST /admin/limit-overrides/${overrideId}/${step}`, asTenant);
      expect(response.status).toBe(403);
    }
    const listed = await call("GET /admin/limit-overrides", { credential: other.apiKey });
    expect(listed.status).toBe(403);
    expect((await call("GET /v1/limits")).status).toBe(401);
  });
});

describe("an operator", () => {
  test("grants less and for a time: it is published at once and ends by itself", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { overrideId } = await requested({ cpuMs: 500, subRequests: 50 });
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const granted = await decided(overrideId, "approve", { limits: { cpuMs: 300 }, expiresAt });
    expect(granted).toMatchObject({ status: "approved", approved: { cpuMs: 300 } });
    const raised = { ...PLANS.free.limits, cpuMs: 300 };
    expect(await publishedLimits()).toEqual(raised);
    expect(await limitsOf()).toMatchObject({ limits: raised, overrides: [{ overrideId }] });

    const published = await env.SNAPSHOTS.get(`tenant:${tenant.tenantId}`);
    vi.setSystemTime(Date.parse(expiresAt));
    expect(await publishedLimits()).toEqual(PLANS.free.limits);
    expect(await limitsOf()).toMatchObject({ limits: PLANS.free.limits, overrides: [] });
    expect(await overridesOf()).toMatchObject([{ overrideId, status: "expired" }]);
    expect((await adminOverrides("status=expired")).overrides).toContainEqual(
      expect.objectContaining({ overrideId }),
    );
    expect(await env.SNAPSHOTS.get(`tenant:${tenant.tenantId}`)).toBe(published);
    expect(await problemOf(await decide(overrideId, "revoke"))).toMatchObject({
      code: "override_decided",
    });
  });

  test("denies, and nothing changes", async () => {
    const { overrideId } = await requested({ cpuMs: 500 });
    expect(await decided(overrideId, "deny", { reason: "not on this plan" })).toMatchObject({
      status: "denied",
      decisionReason: "not on this plan",
    });
    expect(await publishedLimits()).toEqual(PLANS.free.limits);
    expect((await decide(overrideId, "approve")).status).toBe(409);
  });

  test("revokes what was approved without an end", async () => {
    const { overrideId } = await requested({ cpuMs: 500 });
    await decided(overrideId, "approve");
    expect((await publishedLimits()).cpuMs).toBe(500);
    expect((await decide(overrideId, "deny")).status).toBe(409);
    expect(await decided(overrideId, "revoke")).toMatchObject({ status: "revoked" });
    expect(await publishedLimits()).toEqual(PLANS.free.limits);
  });

  test.each<[name: string, body: object, fields: string[]]>([
    ["more than was asked for", { limits: { cpuMs: 501 } }, ["limits.cpuMs"]],
    ["something else", { limits: { subRequests: 20 } }, ["limits.subRequests"]],
    ["for a time that is over", { expiresAt: "2020-01-01T00:00:00Z" }, ["expiresAt"]],
    ["until some day", { expiresAt: "tomorrow" }, ["expiresAt"]],
    ["without a reason", { reason: " " }, ["reason"]],
  ])("can't grant %s", async (_name, body, fields) => {
    const { overrideId } = await requested({ cpuMs: 500 });
    expect(await problemOf(await decide(overrideId, "approve", body))).toEqual({
      status: 400,
      code: "invalid_request",
      fields,
    });
    expect(await publishedLimits()).toEqual(PLANS.free.limits);
  });

  test("decides once, whoever else decides at the same time", async () => {
    const { overrideId } = await requested({ cpuMs: 500 });
    const steps = ["approve", "deny", "approve", "deny"];
    const answers = await Promise.all(steps.map((step) => decide(overrideId, step)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(3);
    const [override] = await overridesOf();
    expect((await publishedLimits()).cpuMs).toBe(override?.status === "approved" ? 500 : 50);
  });

  test("finds every step in the audit log, with who took it and why", async () => {
    const { overrideId } = await requested({ cpuMs: 500 });
    await decided(overrideId, "approve", { reason: "for the launch" });
    await decided(overrideId, "revoke", { reason: "the launch is over" });
    const response = await call(`GET /admin/audit?tenant=${tenant.tenantId}`, {
      credential: env.OPERATOR_TOKEN,
    });
    const { entries } = auditListSchema.parse(await response.json());
    expect(entries.filter(({ subject }) => subject === overrideId)).toMatchObject([
      {
        action: "limit_override.revoke",
        actor: "operator",
        detail: { reason: "the launch is over" },
      },
      {
        action: "limit_override.approve",
        actor: "operator",
        operator: expect.any(String),
        detail: { reason: "for the launch", limits: '{"cpuMs":500}', expiresAtMs: null },
      },
      { action: "limit_override.request", actor: "tenant", detail: { reason: REASON } },
    ]);
  });

  test("reads all tenants' requests in pages, newest first", async () => {
    const asked = [await requested({ cpuMs: 500 }), await requested({ cpuMs: 600 })];
    const first = await adminOverrides("limit=1");
    const next = await adminOverrides(`limit=1&cursor=${first.nextCursor}`);
    expect([first, next].map(({ overrides }) => overrides[0]?.overrideId)).toEqual(
      asked.map(({ overrideId }) => overrideId).toReversed(),
    );
    const { length } = (await adminOverrides("limit=500")).overrides;
    expect((await adminOverrides(`limit=${length}`)).nextCursor).toBeNull();
    expect((await adminOverrides(`limit=${length - 1}`)).nextCursor).not.toBeNull();
  });
});

describe.each<PlanId>(["free", "pro", "scale"])("on the %s plan", (plan) => {
  const { limits } = PLANS[plan];
  let seller: TestTenant;

  beforeEach(async () => {
    seller = await createTenant({ plan });
  });

  function upload(body: string): Promise<Response> {
    return call("PUT /v1/datasets/cities", {
      credential: seller.apiKey,
      headers: { "Content-Type": "text/csv" },
      body,
    });
  }

  test("a dataset of a row too many is refused, naming the most", async () => {
    const response = await upload(`n\n${"1\n".repeat(limits.datasetRowsMax + 1)}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      reason: "too_many_rows",
      detail: expect.stringContaining(`${limits.datasetRowsMax} rows`),
    });
  });

  test("a file of a byte too many is refused", async () => {
    const head = "n\n";
    const body = head + "1".repeat(limits.datasetBytesMax + 1 - head.length);
    expect((await upload(body)).status).toBe(413);
  });

  test("a host too many is refused", async () => {
    await uploadScript(seller, "score.js", singleModule(handlerSource("return new Response()")));
    const deploy = (hosts: number) =>
      call("POST /v1/deployments", {
        credential: seller.apiKey,
        body: {
          tenant: seller.tenantId,
          egress: Array.from({ length: hosts }, (_, index) => `h${index}.example.com`),
          routes: [{ path: "/score", script: "score.js", price: "$0.01" }],
        },
      });
    expect(await problemOf(await deploy(limits.egressHostsMax + 1))).toMatchObject({
      status: 400,
      fields: ["egress"],
    });
    const { overrideId } = await requested({ egressHostsMax: limits.egressHostsMax + 1 }, seller);
    await decided(overrideId, "approve");
    expect((await deploy(limits.egressHostsMax + 1)).status).toBe(201);
  });
});

test("a script too many is refused until more are allowed", async () => {
  const source = singleModule(handlerSource("return new Response()"));
  for (let count = 0; count <= PLANS.free.limits.scriptsMax; count += 1) {
    const name = `s${count}.js`;
    const bundle = { main: name, modules: { [name]: source.modules["score.js"] } };
    const response = await uploadScript(tenant, name, bundle);
    if (count < PLANS.free.limits.scriptsMax) expect(response.status).toBe(201);
    else expect(await problemOf(response)).toMatchObject({ status: 400, fields: ["name"] });
  }
  const { overrideId } = await requested({ scriptsMax: PLANS.free.limits.scriptsMax + 1 });
  await decided(overrideId, "approve");
  expect(
    (await uploadScript(tenant, "more.js", singleModule(handlerSource(""), "more.js"))).status,
  ).toBe(201);
  const list = await call("GET /v1/scripts", { credential: tenant.apiKey });
  expect(scriptListSchema.parse(await list.json()).scripts).toHaveLength(6);
});
