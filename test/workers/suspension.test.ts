/** Suspension and use as operators, tenants and payers see them, over HTTP. */
import { env } from "cloudflare:workers";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { adminTenantDetailSchema } from "../../src/contracts/admin-api.ts";
import { usageReportSchema } from "../../src/contracts/usage.ts";
import { call, createTenant, problemOf, type TestTenant } from "../support/control-plane.ts";
import { ANSWER, PaidCalls } from "../support/paid-calls.ts";

const payer = generatePrivateKey();
let calls: PaidCalls;
let tenant: TestTenant;

beforeEach(async () => {
  calls = new PaidCalls();
  tenant = await createTenant({ tenantId: calls.tenantId });
  await calls.open("after");
});

afterEach(() => {
  vi.restoreAllMocks();
});

function operator(target: string, body?: unknown) {
  return call(target, { credential: env.OPERATOR_TOKEN, body });
}

const suspend = (body: object = { reason: "asked to" }) =>
  operator(`POST /admin/tenants/${tenant.tenantId}/suspend`, body);
const resume = () => operator(`POST /admin/tenants/${tenant.tenantId}/resume`, { reason: "fixed" });

async function usage() {
  const response = await call("GET /v1/usage", { credential: tenant.apiKey });
  return usageReportSchema.parse(await response.json());
}

async function detail() {
  const response = await operator(`GET /admin/tenants/${tenant.tenantId}`);
  return adminTenantDetailSchema.parse(await response.json());
}

describe("a suspended tenant", () => {
  test("takes no new payment, which stays good; what was paid is answered; one command ends it", async () => {
    const paid = await calls.sign("1", payer);
    expect((await calls.send("1", paid)).status).toBe(200);
    expect((await suspend()).status).toBe(200);
    const fresh = await calls.sign("2", payer);
    const refused = await calls.send("2", fresh);
    expect([refused.status, refused.headers.get("Payment-Status")]).toEqual([503, "not-charged"]);
    expect(refused.headers.get("Retry-After")).toBeNull();
    expect(await refused.json()).toMatchObject({ code: "tenant_suspended" });
    const replayed = await calls.send("1", paid);
    expect([replayed.status, replayed.headers.get("Payment-Status")]).toEqual([200, "replayed"]);
    expect((await calls.fetch(`${calls.base}/items/3`)).status).toBe(402);
    expect(calls.runs()).toBe(1);
    expect((await resume()).status).toBe(200);
    expect(await (await calls.send("2", fresh)).text()).toBe(ANSWER);
    expect(calls.settled).toHaveLength(2);
  });

  test("finishes and charges the call that is under way; the next one is refused at once", async () => {
    const started = Promise.withResolvers<void>();
    const finish = Promise.withResolvers<void>();
    calls.onRun = async () => {
      started.resolve();
      await finish.promise;
      return new Response(ANSWER);
    };
    const underWay = calls.pay("1", payer);
    await started.promise;
    await suspend();
    expect((await calls.pay("2", payer)).status).toBe(503);
    finish.resolve();
    const answer = await underWay;
    expect([answer.status, answer.headers.get("Payment-Status")]).toEqual([200, "settled"]);
    expect(calls.runs()).toBe(1);
  });

  test("is told so, and so is the operator, with who did it and why; both steps are on record", async () => {
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    await suspend({ reason: "maintenance", expiresAt });
    const { suspension } = await usage();
    expect(suspension).toMatchObject({
      reason: "maintenance",
      by: expect.stringMatching(/./),
      untilMs: Date.parse(expiresAt),
    });
    expect((await detail()).suspension).toEqual(suspension);
    const refused = await calls.pay("1", payer);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(3_500);
    await resume();
    expect((await usage()).suspension).toBeNull();
    const { audit } = await detail();
    const steps = audit.filter(({ action }) => /suspend|resume/.test(action));
    expect(steps.map(({ action, detail: { reason } }) => [action, reason])).toEqual([
      ["tenant.resume", "fixed"],
      ["tenant.suspend", "maintenance"],
    ]);
    expect(new Set(steps.map((step) => step.operator))).toEqual(new Set([suspension?.by]));
  });
});

test.each([
  ["a reason", {}, "reason"],
  ["a time that is to come", { reason: "why not", expiresAt: "2020-01-01T00:00:00Z" }, "expiresAt"],
  ["a time", { reason: "why not", expiresAt: "soon" }, "expiresAt"],
  ["known fields only", { reason: "why not", until: 1 }, "until"],
])("a suspension needs %s", async (_name, body, field) => {
  expect(await problemOf(await suspend(body))).toEqual({
    status: 400,
    code: "invalid_request",
    fields: [field],
  });
  expect((await usage()).suspension).toBeNull();
});

test("nobody but an operator suspends, resumes or reads another's use", async () => {
  for (const target of ["POST suspend", "POST resume", "GET usage"]) {
    const [method, step] = target.split(" ");
    const path = `${method} /admin/tenants/${tenant.tenantId}/${step}`;
    const body = method === "POST" ? { reason: "mine now" } : undefined;
    expect((await call(path, { credential: tenant.apiKey, body })).status).toBe(403);
    expect((await call(path, { body })).status).toBe(401);
    expect((await operator(path.replace(tenant.tenantId, "nobody-here"), body)).status).toBe(404);
  }
});

test("use is shown to tenant and operator alike: calls, what was charged, and of which budgets", async () => {
  expect((await calls.pay("1", payer)).status).toBe(200);
  calls.onRun = async () => new Response("sold out", { status: 404 });
  expect((await calls.pay("2", payer)).status).toBe(404);
  const shown = await usage();
  expect(shown.today).toMatchObject({ calls: 2, chargedCalls: 1, limitErrors: 0, cpuMs: 0 });
  expect(shown.month).toMatchObject({ calls: 2, chargedCalls: 1 });
  expect(shown.budgets.find(({ limit }) => limit === "callsPerDay")).toEqual({
    limit: "callsPerDay",
    used: 2,
    budget: 20_000,
    percent: 0,
  });
  const response = await operator(`GET /admin/tenants/${tenant.tenantId}/usage`);
  expect(usageReportSchema.parse(await response.json())).toEqual(shown);
});
