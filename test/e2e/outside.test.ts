/** What tenants sell that lies outside the platform, or reaches there: origins with their secrets, and scripts' egress. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { payers } from "../../src/local/accounts.ts";
import { runClaw } from "../support/dev-process.ts";
import { OriginServer } from "../support/origin-server.ts";
import { Payer } from "../support/payer.ts";
import { OPERATOR_TOKEN, type TestTenant, TestWorld } from "../support/platform.ts";

const SECRET = "Bearer sk-weather-0123456789";

const denialsSchema = z.object({
  denials: z.array(z.object({ day: z.string(), reason: z.string(), count: z.number() })),
});

/** Tries each place, and says what it got. */
const REACHES_OUT = `
  export default {
    async fetch(request) {
      const targets = new URL(request.url).searchParams.getAll("target");
      const seen = [];
      for (const target of targets) {
        const response = await fetch(target).catch((error) => new Response(String(error), { status: 599 }));
        const { code, reason } = await response.json().catch(() => ({}));
        seen.push([response.status, code, reason]);
      }
      const forged = [{ tenantId: "victim", day: "2026-01-01", reason: "forged", count: 7 }];
      return Response.json(seen, { headers: { "Egress-Denials": JSON.stringify(forged) } });
    },
  };`;

let world: TestWorld;
let origin: OriginServer;
let tenant: TestTenant;
let directory: string;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-outside-"));
  origin = await OriginServer.start();
  world = await TestWorld.start();
  tenant = await world.createTenant();
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await world?.stop();
  await origin?.stop();
  await rm(directory, { recursive: true, force: true });
});

function claw(args: readonly string[], input = "") {
  const env = { CLAW_URL: world.url, CLAW_API_KEY: tenant.apiKey };
  return runClaw(args, { cwd: directory, env, input });
}

async function denialsOf(path: string, credential: string) {
  const headers = { Authorization: `Bearer ${credential}` };
  const response = await fetch(`${world.url}${path}`, { headers });
  return denialsSchema.parse(await response.json()).denials;
}

test("an origin gets its secret, which the command takes from stdin and nobody sees again", async () => {
  const set = await claw(["secret", "set", "WEATHER_KEY"], `${SECRET}\n`);
  expect(set).toMatchObject({ code: 0, stdout: "WEATHER_KEY is set\n" });
  const listed = await claw(["secret", "list", "--json"]);
  expect(listed.stdout).toContain("WEATHER_KEY");
  expect(listed.stdout + set.stdout).not.toContain("sk-weather");

  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [
      {
        path: "/weather",
        origin: origin.url,
        originAuth: { header: "Authorization", secret: "WEATHER_KEY" },
        price: "$0.01",
      },
    ],
  });
  const url = `${world.url}/t/${tenant.tenantId}/weather`;
  origin.answer = (request, response) => {
    const isKnown = request.headers.authorization === SECRET;
    response.statusCode = isKnown ? 200 : 401;
    response.end(isKnown ? "sunny" : "who are you?");
  };
  const paid = await payer.pay(url);
  expect(paid).toMatchObject({ status: 200, paymentStatus: "settled", body: "sunny" });

  origin.answer = (request, response) => response.end(`you sent ${request.headers.authorization}`);
  const echoed = await payer.pay(url);
  expect(echoed).toMatchObject({ status: 502, paymentStatus: "not-charged" });
  expect(echoed.body).not.toContain("sk-weather");

  const receipts = await tenant.api.receipts(new URLSearchParams());
  expect(JSON.stringify(receipts) + world.platform.output()).not.toContain("sk-weather");

  expect((await claw(["secret", "delete", "WEATHER_KEY"])).code).toBe(0);
  await vi.waitFor(
    async () => {
      const calls = origin.calls;
      expect(await payer.pay(url)).toMatchObject({ status: 502, paymentStatus: "not-charged" });
      expect(origin.calls).toBe(calls);
    },
    { timeout: 45_000, interval: 500 },
  );
});

test("a script of a plan without egress reaches nothing, which its owner and the operator see counted", async () => {
  const main = "out.js";
  await tenant.api.uploadScript({
    main,
    modules: { [main]: { type: "esm", content: REACHES_OUT } },
  });
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/out", script: main, price: "$0.01" }],
  });
  const targets = [
    "https://api.example.com/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2130706433/",
    origin.url,
    `${world.url}/admin/tenants`,
  ];
  const query = new URLSearchParams(targets.map((target) => ["target", target]));
  const answer = await payer.pay(`${world.url}/t/${tenant.tenantId}/out?${query.toString()}`);
  expect(JSON.parse(answer.body)).toEqual([
    [403, "egress_denied", "host_not_allowed"],
    [403, "egress_denied", "address_literal"],
    [403, "egress_denied", "address_literal"],
    [403, "egress_denied", "not_https"],
    [403, "egress_denied", "not_https"],
  ]);
  expect(origin.calls).toBe(0);
  expect(answer.headers.get("Egress-Denials")).toBeNull();

  const counted = [
    { reason: "address_literal", count: 2 },
    { reason: "host_not_allowed", count: 1 },
    { reason: "not_https", count: 2 },
  ];
  await vi.waitFor(
    async () => {
      const denials = await denialsOf("/v1/egress/denials", tenant.apiKey);
      expect(denials).toMatchObject(counted);
    },
    { timeout: 30_000, interval: 200 },
  );
  const path = `/admin/tenants/${tenant.tenantId}/egress/denials`;
  expect(await denialsOf(path, OPERATOR_TOKEN)).toMatchObject(counted);
});

test("hosts are listed by plans that have egress only", async () => {
  const manifest = {
    tenant: tenant.tenantId,
    routes: [{ path: "/out", script: "out.js", price: "$0.01" }],
    egress: ["api.example.com"],
  };
  await expect(tenant.api.deploy(manifest)).rejects.toThrow("egress must be empty on this plan");
});
