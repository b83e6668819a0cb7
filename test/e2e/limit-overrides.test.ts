/** A tenant that needs more than its plan gives: it asks on the command line, an operator decides, callers notice. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  adminOverrideListSchema,
  adminOverrideSchema,
} from "../../src/contracts/limit-overrides.ts";
import { payers } from "../../src/local/accounts.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { runClaw } from "../support/dev-process.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type Answer, Payer, readAnswer } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

/** KV's, and what the product promises. */
const IN_EFFECT_WITHIN_MS = 60_000;
const { requestBytesMax } = PLANS.free.limits;

let world: TestWorld;
let origin: OriginServer;
let tenant: TestTenant;
let url: string;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  tenant = await world.createTenant();
  const route = { path: "/upload", origin: origin.url, methods: ["GET", "POST"], price: "$0.01" };
  await tenant.api.deploy({ tenant: tenant.tenantId, routes: [route] });
  url = `${world.url}/t/${tenant.tenantId}/upload`;
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

async function claw(...args: string[]): Promise<string> {
  const flags = ["--url", world.url];
  const env = { CLAW_API_KEY: tenant.apiKey };
  const { code, stdout, stderr } = await runClaw([...args, ...flags], { env });
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return stdout;
}

/** A call with a body of a byte more than the plan allows. */
async function upload(header: string): Promise<Answer> {
  const init = { method: "POST", body: new Uint8Array(requestBytesMax + 1) };
  return readAnswer(await fetch(url, { ...init, headers: { "PAYMENT-SIGNATURE": header } }));
}

function decide(overrideId: string, step: string, body: object) {
  return world.admin(adminOverrideSchema, `POST /limit-overrides/${overrideId}/${step}`, body);
}

async function request(value: number): Promise<string> {
  const reason = ["--reason", "our callers send photos"];
  const text = await claw("limits", "request", `requestBytesMax=${value}`, ...reason, "--json");
  return adminOverrideSchema.pick({ overrideId: true }).parse(JSON.parse(text)).overrideId;
}

/** Milliseconds until the call is answered with this status. */
async function waitFor(status: number, header: string): Promise<number> {
  const startedAtMs = Date.now();
  await vi.waitFor(async () => expect((await upload(header)).status).toBe(status), {
    timeout: IN_EFFECT_WITHIN_MS,
    interval: 100,
  });
  return Date.now() - startedAtMs;
}

test("an override is in effect within 60 seconds, lower than asked for, and ends by itself", async () => {
  const header = await payer.sign(url);
  expect(await upload(header)).toMatchObject({ status: 413, paymentStatus: "not-charged" });

  const overrideId = await request(4 * requestBytesMax);
  expect(await claw("limits", "requests")).toContain("requested");
  const waiting = await world.admin(
    adminOverrideListSchema,
    "GET /limit-overrides?status=requested",
  );
  expect(waiting.overrides).toMatchObject([{ overrideId, tenantId: tenant.tenantId }]);
  expect((await upload(header)).status).toBe(413);

  const expiresAtMs = Date.now() + 15_000;
  const limits = { requestBytesMax: 2 * requestBytesMax };
  const expiresAt = new Date(expiresAtMs).toISOString();
  await decide(overrideId, "approve", { limits, expiresAt, reason: "as a trial" });
  expect(await waitFor(200, header)).toBeLessThan(IN_EFFECT_WITHIN_MS);
  expect(origin.calls).toBe(1);
  expect(await tenant.api.limits()).toMatchObject({ limits, overrides: [{ overrideId }] });

  await waitFor(413, header);
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs);
  expect(Date.now() - expiresAtMs).toBeLessThan(IN_EFFECT_WITHIN_MS);
  expect(await claw("limits", "requests")).toContain("expired");
});

test("a denied request changes nothing, and its tenant reads why", async () => {
  expect(await claw("limits")).toMatch(/^requestBytesMax +1048576 +1048576 +16777216$/m);
  const overrideId = await request(2 * requestBytesMax);
  await decide(overrideId, "deny", { reason: "send the photos one by one" });
  expect(await claw("limits", "requests")).toContain("send the photos one by one");
  expect(await upload(await payer.sign(url))).toMatchObject({
    status: 413,
    code: "payload_too_large",
  });
});
