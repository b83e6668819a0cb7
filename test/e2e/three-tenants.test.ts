/** Three tenants of three plans on one platform, each selling data, code and an API of its own, with the same code. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import type { PlanId } from "../../src/contracts/snapshot.ts";
import { payers } from "../../src/local/accounts.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type Answer, Payer, readAnswer } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

const PRICES = { free: "$0.001", pro: "$0.002", scale: "$0.003" } as const;
const PLAN_IDS: readonly PlanId[] = ["free", "pro", "scale"];
const payer = new Payer(payers[0].privateKey);

/** Remembers its calls where code can, and asks for what it must not have. */
const CODE = `globalThis.calls = [];
export default {
  async fetch(request) {
    globalThis.calls.push(request.headers.get("Payment-Id"));
    const statuses = [];
    for (const url of await request.json()) statuses.push((await fetch(url)).status);
    return Response.json({ calls: globalThis.calls, statuses, headers: [...request.headers.keys()] });
  },
};`;

interface Shop {
  readonly plan: PlanId;
  readonly tenant: TestTenant;
  readonly origin: OriginServer;
}

let world: TestWorld;
let shops: readonly Shop[] = [];

async function openShop(plan: PlanId): Promise<Shop> {
  const origin = await OriginServer.start();
  origin.answer = (_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.setHeader("Set-Cookie", "session=1");
    response.end(`<script>fetch("/t/other")</script>${plan}`);
  };
  const tenant = await world.createTenant(plan);
  const { api, tenantId } = tenant;
  await api.uploadDataset("cities", {
    body: new Blob([`id,name,country\n1,City of ${plan},ZZ\n`]),
    contentType: "text/csv",
    key: "id",
    indexes: ["country"],
    types: {},
  });
  await uploadCode(tenant, "code.js");
  const price = PRICES[plan];
  await api.deploy({
    tenant: tenantId,
    datasets: { cities: { file: "cities.csv", key: "id", indexes: ["country"] } },
    routes: [
      { path: "/cities", dataset: "cities", price },
      { path: "/code", script: "code.js", methods: ["POST"], price },
      { path: "/page", origin: origin.url, methods: ["GET", "POST"], price },
    ],
  });
  return { plan, tenant, origin };
}

function uploadCode({ api }: TestTenant, main: string): Promise<unknown> {
  return api.uploadScript({ main, modules: { [main]: { type: "esm", content: CODE } } });
}

const urlOf = ({ tenant }: Shop, path: string) => `${world.url}/t/${tenant.tenantId}${path}`;

async function post(url: string, body: string | Uint8Array<ArrayBuffer>): Promise<Answer> {
  const headers = { "PAYMENT-SIGNATURE": await payer.sign(url) };
  return await readAnswer(await fetch(url, { method: "POST", body, headers }));
}

const ranSchema = z.object({
  calls: z.array(z.string()),
  statuses: z.array(z.number()),
  headers: z.array(z.string()),
});

/** A paid call of a shop's code, which asks for these URLs. */
async function runCode(shop: Shop, urls: readonly string[]) {
  const answer = await post(urlOf(shop, "/code"), JSON.stringify(urls));
  expect(answer.status).toBe(200);
  return { ...ranSchema.parse(JSON.parse(answer.body)), answer };
}

async function statusOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "accepted",
    () => "refused",
  );
}

beforeAll(async () => {
  world = await TestWorld.start();
  shops = await Promise.all(PLAN_IDS.map(openShop));
});

afterAll(async () => {
  for (const { origin } of shops) await origin.stop();
  await world?.stop();
});

test("each sells its own rows, code and API, and is credited with what it sold", async () => {
  for (const shop of shops) {
    const { plan, tenant } = shop;
    const rows = await payer.pay(urlOf(shop, "/cities?country=ZZ"));
    expect([rows.status, rows.body.includes(`City of ${plan}`)]).toEqual([200, true]);
    const page = await payer.pay(urlOf(shop, "/page"));
    expect([page.status, page.body.endsWith(plan)]).toEqual([200, true]);
    const { answer } = await runCode(shop, []);
    const sold = [rows, page, answer].map(({ headers }) => headers.get("Payment-Id") ?? "none");
    const { receipts } = await tenant.api.receipts(new URLSearchParams());
    expect(receipts.map(({ paymentId }) => paymentId).toSorted()).toEqual(sold.toSorted());
    expect(shop.origin.calls).toBe(1);
  }
});

test("the same code remembers the calls of its own tenant, and sees none of a payment's headers", async () => {
  const seen: string[] = [];
  for (const shop of shops) {
    const { calls, headers } = await runCode(shop, []);
    for (const id of calls) expect(id).toContain(shop.tenant.tenantId);
    seen.push(...calls);
    expect(headers.filter((name) => /signature|^x-payment|sign-in|cookie|auth/.test(name))).toEqual(
      [],
    );
  }
  expect(new Set(seen).size).toBe(seen.length);
});

test("no code reaches the platform, another tenant or this machine; each tenant has its own denials counted", async () => {
  const [shop, bystander] = shops;
  if (shop === undefined || bystander === undefined) throw new Error("three shops are open");
  const { port } = new URL(world.url);
  const { statuses } = await runCode(shop, [
    `${world.url}/healthz`,
    urlOf(bystander, "/cities"),
    `https://localhost:${port}/v1/balance`,
    "https://169.254.169.254/latest/meta-data",
    "https://api.example.com/",
  ]);
  expect(new Set(statuses)).toEqual(new Set([403]));
  const denialsOf = async ({ tenant }: Shop) => {
    const headers = { Authorization: `Bearer ${tenant.apiKey}` };
    const answer = await fetch(`${world.url}/v1/egress/denials`, { headers });
    const { denials } = z
      .object({ denials: z.array(z.object({ count: z.number() })) })
      .parse(await answer.json());
    return denials.reduce((sum, { count }) => sum + count, 0);
  };
  await vi.waitFor(async () => expect(await denialsOf(shop)).toBe(5), { timeout: 30_000 });
  expect(await denialsOf(bystander)).toBe(0);
});

test("a page of a tenant's on the shared origin has no cookie, and runs in a sandbox", async () => {
  for (const shop of shops) {
    const { headers } = await payer.pay(urlOf(shop, "/page?sandboxed"));
    expect(headers.get("Content-Security-Policy")).toBe("sandbox");
    expect(headers.get("Set-Cookie")).toBeNull();
  }
});

describe("the plan decides", () => {
  /** What each plan in turn makes of the same thing. */
  const onEachPlan = (attempt: (shop: Shop) => Promise<string | number>) =>
    Promise.all(shops.map(attempt));

  test("how long a body may be", async () => {
    const body = new Uint8Array(PLANS.free.limits.requestBytesMax + 1);
    const statuses = await onEachPlan(
      async (shop) => (await post(urlOf(shop, "/page?long"), body)).status,
    );
    expect(statuses).toEqual([413, 200, 200]);
  });

  test("how long an answer may be: no plan stores a longer one, and nothing is charged", async () => {
    const outcomes = await onEachPlan(async (shop) => {
      const { answer } = shop.origin;
      shop.origin.answer = (_request, response) => {
        response.end(new Uint8Array(PLANS[shop.plan].limits.responseBytesMax + 1));
      };
      const { code, paymentStatus } = await payer.pay(urlOf(shop, "/page?long-answer"));
      shop.origin.answer = answer;
      return `${code} ${paymentStatus}`;
    });
    expect(new Set(outcomes)).toEqual(new Set(["response_too_large not-charged"]));
  });

  test("how many requests code may make: a call that makes more is not charged", async () => {
    const { subRequests } = PLANS.free.limits;
    const urls = Array.from({ length: subRequests + 1 }, () => "https://api.example.com/");
    const outcomes = await onEachPlan(async (shop) => {
      const answer = await post(urlOf(shop, "/code"), JSON.stringify(urls));
      return `${answer.status} ${answer.code} ${answer.paymentStatus}`;
    });
    const sold = "200 null settled";
    expect(outcomes).toEqual(["429 tenant_limit_exceeded not-charged", sold, sold]);
    await vi.waitFor(async () => {
      const exceeded = await onEachPlan(async ({ tenant }) => {
        const { exceedances } = await tenant.api.limits();
        return exceedances.find(({ limit }) => limit === "subrequests")?.count ?? 0;
      });
      expect(exceeded).toEqual([1, 0, 0]);
    });
  });

  test("how many scripts there may be", async () => {
    const { scriptsMax } = PLANS.free.limits;
    const last = await onEachPlan(async ({ tenant }) => {
      for (let count = 1; count < scriptsMax; count += 1) {
        await uploadCode(tenant, `code-${count}.js`);
      }
      return await statusOf(uploadCode(tenant, "one-too-many.js"));
    });
    expect(last).toEqual(["refused", "accepted", "accepted"]);
  });

  test("how many rows a dataset may have", async () => {
    const rows = Array.from({ length: PLANS.free.limits.datasetRowsMax + 1 }, (_, id) => id);
    const upload = { contentType: "text/csv", key: "id", indexes: [], types: {} };
    const outcomes = await onEachPlan(({ tenant }) =>
      statusOf(
        tenant.api.uploadDataset("long", { ...upload, body: new Blob([`id\n${rows.join("\n")}`]) }),
      ),
    );
    expect(outcomes).toEqual(["refused", "accepted", "accepted"]);
  });

  test("how many hosts code may go to", async () => {
    const outcomes = await onEachPlan(({ plan, tenant: { api, tenantId } }) =>
      statusOf(
        api.deploy({
          tenant: tenantId,
          egress: ["api.example.com"],
          routes: [{ path: "/code", script: "code.js", methods: ["POST"], price: PRICES[plan] }],
        }),
      ),
    );
    expect(outcomes).toEqual(["refused", "accepted", "accepted"]);
  });
});
