/** Cost containment on the whole platform: budgets, code that runs away, suspension; and nobody else disturbed. */
import { globSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { suspensionStateSchema, usageReportSchema } from "../../src/contracts/usage.ts";
import { payers } from "../../src/local/accounts.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import { periodAt } from "../../src/tenant/budgets.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { tokenBalance } from "../support/chain-facts.ts";
import { untilDayHasTime } from "../support/day.ts";
import { runClaw } from "../support/dev-process.ts";
import { OriginServer, heldAnswer } from "../support/origin-server.ts";
import { type Answer, Payer, send } from "../support/payer.ts";
import { OPERATOR_TOKEN, type TestTenant, TestWorld } from "../support/platform.ts";

const payer = new Payer(payers[0].privateKey);
const buyers = payers.map(({ privateKey }) => new Payer(privateKey));
/** Their runs of 5 s each are more than a thirtieth of a day's budget of the free plan. */
const RUNAWAY_CALLS = 80;
const VERIFIED_AT_ONCE = 10;
/** It starts the platform a second time. */
const RESTART_TIMEOUT_MS = 180_000;
const SOON = { timeout: 45_000, interval: 100 };

let world: TestWorld;
let origin: OriginServer;
let other: TestTenant;
let otherUrl: string;

beforeAll(async () => {
  await untilDayHasTime();
  origin = await OriginServer.start();
  world = await TestWorld.start();
  other = await world.createTenant("pro");
  [otherUrl = ""] = await world.sellCities(other);
});

afterAll(async () => {
  await world?.stop();
  await origin?.stop();
});

let otherCalls = 0;

/** Each a request of its own: the same one again may be answered from the call before. */
async function expectOtherSells(): Promise<void> {
  otherCalls += 1;
  expect((await payer.pay(`${otherUrl}?limit=${otherCalls}`)).status).toBe(200);
}

async function operator(target: string, body?: unknown): Promise<unknown> {
  const [method = "", path = ""] = target.split(" ");
  const response = await fetch(`${world.url}/admin${path}`, {
    method,
    headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  expect(response.status).toBe(200);
  return await response.json();
}

async function usageOf({ tenantId }: TestTenant) {
  return usageReportSchema.parse(await operator(`GET /tenants/${tenantId}/usage`));
}

function resume({ tenantId }: TestTenant) {
  const args = ["tenant", "resume", tenantId, "--reason", "the script is fixed"];
  const variables = { CLAW_URL: world.url, CLAW_OPERATOR_TOKEN: OPERATOR_TOKEN };
  return runClaw(args, { env: variables });
}

async function suspend({ tenantId }: TestTenant) {
  const answer = await operator(`POST /tenants/${tenantId}/suspend`, { reason: "a test" });
  return suspensionStateSchema.parse(answer).suspension;
}

/** Waits for an alert to be where operators see all tenants'. */
async function expectAlert({ tenantId }: TestTenant, kind: string): Promise<void> {
  await vi.waitFor(async () => {
    const alerts = await operator(`GET /alerts?tenant=${tenantId}&kind=${kind}`);
    expect(alerts).toMatchObject({ alerts: [{ kind, tenantId }] });
  }, SOON);
}

/** Calls the code many times at once, and not so that facilitators are asked to verify all of them at once. */
async function startRuns(url: string): Promise<readonly Promise<Answer>[]> {
  const runs: Promise<Answer>[] = [];
  let answered = 0;
  const before = await verifications();
  while (runs.length < RUNAWAY_CALLS) {
    const buyer = buyers[runs.length % buyers.length] ?? payer;
    const run = buyer.pay(`${url}?call=${runs.length}`);
    runs.push(run);
    const count = () => {
      answered += 1;
    };
    run.then(count, count);
    if (runs.length % VERIFIED_AT_ONCE > 0) continue;
    await vi.waitFor(async () => {
      const seen = (await verifications()) - before + answered;
      expect(seen).toBeGreaterThanOrEqual(runs.length);
    }, SOON);
  }
  return runs;
}

async function verifications(): Promise<number> {
  const stats = await Promise.all(world.facilitators.map(({ control }) => control.stats()));
  return stats.reduce((sum, { calls }) => sum + calls.verify.performed, 0);
}

/** Writes into the tenant's ledger that it made so many calls already. The platform must not run. */
function setCalls({ payTo }: TestTenant, count: number): void {
  const files = globSync(`${world.stateDir}/worker/**/*SettlementLedger/*.sqlite`);
  const nowMs = Date.now();
  for (const file of files) {
    using database = new DatabaseSync(file);
    const own = database.prepare("SELECT 1 FROM payments WHERE payee = ?").get(payTo);
    if (own === undefined) continue;
    for (const period of ["day", "month"] as const) {
      database
        .prepare("INSERT OR REPLACE INTO usage VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0, '')")
        .run(periodAt(period, nowMs).key, count);
    }
    return;
  }
  throw new Error(`no ledger has a payment to ${payTo}`);
}

async function sellScripts({ api, tenantId }: TestTenant, sources: Record<string, string>) {
  for (const [name, body] of Object.entries(sources)) {
    const content = `export default { async fetch(request) { ${body} } };`;
    const main = `${name}.js`;
    await api.uploadScript({ main, modules: { [main]: { type: "esm", content } } });
  }
  await api.deploy({
    tenant: tenantId,
    routes: Object.keys(sources).map((name) => ({
      path: `/${name}`,
      script: `${name}.js`,
      price: "$0.01",
    })),
  });
  return (name: string) => `${world.url}/t/${tenantId}/${name}`;
}

test(
  "a budget that is spent is warned of, then throttles until the day ends; others go on",
  async () => {
    await expectOtherSells();
    const tenant = await world.createTenant("pro");
    const [url = ""] = await world.sellCities(tenant);
    expect((await payer.pay(url)).status).toBe(200);
    const { callsPerDay } = PLANS.pro.limits;
    await world.kill();
    setCalls(tenant, callsPerDay - 1);
    await world.restart();

    const last = await payer.pay(`${url}?limit=1`);
    expect(last.status).toBe(200);
    const untilMidnight = (periodAt("day", Date.now()).untilMs - Date.now()) / 1_000;
    const refused = await payer.pay(`${url}?limit=2`);
    expect(refused).toMatchObject({
      status: 429,
      code: "tenant_limit_exceeded",
      paymentStatus: "not-charged",
    });
    expect(JSON.parse(refused.body)).toMatchObject({ limit: "callsPerDay" });
    expect(Number(refused.headers.get("Retry-After"))).toBeLessThanOrEqual(untilMidnight + 10);
    expect((await send(`${url}?limit=1`, last.header)).paymentStatus).toBe("replayed");
    await expectOtherSells();

    const usage = await tenant.api.usage();
    expect(usage.suspension).toBeNull();
    expect(usage.budgets).toContainEqual({
      limit: "callsPerDay",
      used: callsPerDay,
      budget: callsPerDay,
      percent: 100,
    });
    await expectAlert(tenant, "budget_spent");
  },
  RESTART_TIMEOUT_MS,
);

test("a script that runs away is suspended, with a word to operators; one command releases it", async () => {
  const tenant = await world.createTenant("free");
  const urlOf = await sellScripts(tenant, {
    late: `await scheduler.wait(60_000); return new Response("late")`,
    fine: `return new Response("fine")`,
  });
  expect((await payer.pay(urlOf("fine"))).status).toBe(200);
  const runs = await startRuns(urlOf("late"));
  await expectOtherSells();
  for (const { code, paymentStatus } of await Promise.all(runs)) {
    expect(["tenant_limit_exceeded", "tenant_suspended"]).toContain(code);
    expect(paymentStatus).toBe("not-charged");
  }
  const refused = await payer.pay(urlOf("fine"));
  expect(refused).toMatchObject({ status: 503, code: "tenant_suspended" });
  const { suspension, today } = await usageOf(tenant);
  expect(suspension).toMatchObject({ reason: expect.stringMatching(/^runaway: /), by: null });
  expect(today.limitErrors).toBeGreaterThan(0);
  expect(today.chargedCalls).toBe(1);
  await expectAlert(tenant, "tenant_suspended");
  await expectOtherSells();

  const release = ["tenant", "resume", tenant.tenantId, "--reason", "the script is fixed"];
  expect(
    await runClaw(release, { env: { CLAW_URL: world.url, CLAW_OPERATOR_TOKEN: OPERATOR_TOKEN } }),
  ).toMatchObject({ code: 0 });
  // The payment that was refused is still good.
  expect(await send(urlOf("fine"), refused.header)).toMatchObject({ status: 200, body: "fine" });
});

test("a suspension is immediate: calls under way are finished and charged, the next one is refused", async () => {
  const tenant = await world.createTenant("free");
  const url = `${world.url}/t/${tenant.tenantId}/answer`;
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/answer", origin: origin.url, price: "$0.01" }],
  });
  const held = heldAnswer();
  origin.answer = held.answer;
  const underWay = buyers.map((buyer) => buyer.pay(url));
  await vi.waitFor(() => expect(origin.calls).toBe(buyers.length), SOON);

  const suspended = await suspend(tenant);
  expect(suspended).toMatchObject({ reason: "a test", untilMs: null });
  const next = await payer.pay(`${url}?next`);
  expect(next).toMatchObject({ status: 503, code: "tenant_suspended" });
  held.release();
  for (const answer of await Promise.all(underWay)) expect(answer.paymentStatus).toBe("settled");
  const chain = chainTestClient(world.chain.rpcUrl);
  expect(await tokenBalance(chain, tenant.payTo)).toBe(10_000n * BigInt(buyers.length));
  expect(origin.calls).toBe(buyers.length);
  expect((await tenant.api.usage()).suspension).toEqual(suspended);

  expect(await resume(tenant)).toMatchObject({ code: 0 });
  expect((await payer.pay(url)).status).toBe(200);
});
