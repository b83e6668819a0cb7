/** Receipts, balance and payouts over HTTP, from a real ledger. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import {
  balanceSchema,
  payoutSchema,
  receiptListSchema,
  receiptSchema,
} from "../../src/contracts/tenant-api.ts";
import {
  type Call,
  call,
  createTenant,
  problemOf,
  type TestTenant,
} from "../support/control-plane.ts";
import { confirmSales, PAYER, sellCall } from "../support/settled-payments.ts";

function ask({ apiKey }: TestTenant, target: string, request: Call = {}): Promise<Response> {
  return call(target, { credential: apiKey, ...request });
}

function requestPayout(tenant: TestTenant, idempotencyKey: string, body?: unknown) {
  const headers = { "Idempotency-Key": idempotencyKey };
  return ask(tenant, "POST /v1/payouts", body === undefined ? { headers } : { headers, body });
}

async function receiptIds(tenant: TestTenant, query: string): Promise<string[]> {
  const response = await ask(tenant, `GET /v1/receipts${query}`);
  const { receipts } = receiptListSchema.parse(await response.json());
  return receipts.map(({ paymentId }) => paymentId);
}

/** Two confirmed sales of $0.01 on the free plan: 10,000 less a fee of 1,000, twice. */
async function tenantWithEarnings(): Promise<TestTenant> {
  const tenant = await createTenant();
  await sellCall(tenant);
  await sellCall(tenant);
  await confirmSales(tenant);
  return tenant;
}

test("a receipt says what was paid, what the platform kept and what is left", async () => {
  const tenant = await createTenant();
  const paymentId = await sellCall(tenant, { url: "https://claw.test/cities?limit=5" });
  const response = await ask(tenant, `GET /v1/receipts/${paymentId}`);
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  expect(receiptSchema.parse(await response.json())).toMatchObject({
    paymentId,
    state: "settled",
    route: "/cities",
    url: "https://claw.test/cities?limit=5",
    payer: PAYER,
    payTo: tenant.payTo,
    amountAtomic: "10000",
    feeAtomic: "1000",
    netAtomic: "9000",
  });
});

test("receipts are filtered by route, payer, state and time", async () => {
  const tenant = await createTenant();
  const cities = await sellCall(tenant, { path: "/cities" });
  const prices = await sellCall(tenant, { path: "/prices" });
  const everything = [prices, cities];
  const upperPayer = PAYER.toUpperCase().replace("0X", "0x");
  expect(await receiptIds(tenant, "")).toHaveLength(2);
  expect(await receiptIds(tenant, "?route=/prices")).toEqual([prices]);
  expect(await receiptIds(tenant, `?payer=${upperPayer}`)).toEqual(
    expect.arrayContaining(everything),
  );
  expect(await receiptIds(tenant, `?payer=0x${"bb".repeat(20)}`)).toEqual([]);
  expect(await receiptIds(tenant, "?state=failed")).toEqual([]);
  expect(
    await receiptIds(tenant, "?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00%2B02:00"),
  ).toEqual([]);
  expect(await receiptIds(tenant, `?from=${Date.now() - 60_000}`)).toHaveLength(2);
});

test("receipts come in pages, as JSON and as CSV", async () => {
  const tenant = await createTenant();
  for (let sale = 0; sale < 3; sale += 1) await sellCall(tenant);
  const all = await receiptIds(tenant, "");
  const response = await ask(tenant, "GET /v1/receipts?limit=2");
  const { receipts, nextCursor } = receiptListSchema.parse(await response.json());
  expect(receipts.map(({ paymentId }) => paymentId)).toEqual(all.slice(0, 2));
  expect(await receiptIds(tenant, `?limit=2&cursor=${nextCursor}`)).toEqual(all.slice(2));

  const csv = await ask(tenant, "GET /v1/receipts?limit=2&format=csv");
  expect(csv.headers.get("Content-Type")).toMatch(/^text\/csv/);
  expect((await csv.text()).split("\r\n").map((line) => line.split(",")[0])).toEqual([
    "paymentId",
    ...all.slice(0, 2),
    "",
  ]);
  expect(csv.headers.get("Link")).toBe(
    `</v1/receipts?limit=2&format=csv&cursor=${nextCursor}>; rel="next"`,
  );
});

test.each([
  ["limit=0", "limit"],
  ["limit=1001", "limit"],
  ["limit=ten", "limit"],
  ["from=yesterday", "from"],
  ["from=2026-01-01", "from"],
  ["payer=acme", "payer"],
  ["state=paid", "state"],
  ["format=xml", "format"],
  ["rout=/cities", "rout"],
  ["state=settled&state=failed", "state"],
])("refuses receipts?%s, naming the parameter", async (query, field) => {
  const response = await ask(await createTenant(), `GET /v1/receipts?${query}`);
  expect(await problemOf(response)).toEqual({
    status: 400,
    code: "invalid_request",
    fields: [field],
  });
});

test("the balance tells settled from confirmed", async () => {
  const tenant = await createTenant();
  await sellCall(tenant);
  const read = async () => balanceSchema.parse(await (await ask(tenant, "GET /v1/balance")).json());
  expect(await read()).toMatchObject({
    network: "eip155:84532",
    settledAtomic: "10000",
    feesAtomic: "1000",
    payableAtomic: "9000",
    availableAtomic: "0",
  });
  await confirmSales(tenant);
  expect(await read()).toMatchObject({ payableAtomic: "9000", availableAtomic: "9000" });
});

test("a payout takes everything available to the tenant's wallet, once per key", async () => {
  const tenant = await tenantWithEarnings();
  const key = crypto.randomUUID();
  const response = await requestPayout(tenant, key);
  expect(response.status).toBe(201);
  const payout = payoutSchema.parse(await response.json());
  expect(payout).toMatchObject({ amountAtomic: "18000", wallet: tenant.wallet });
  expect(response.headers.get("Location")).toBe(`/v1/payouts/${payout.payoutId}`);
  expect(response.headers.get("Idempotent-Replayed")).toBeNull();

  const replay = await requestPayout(tenant, key);
  expect(replay.headers.get("Idempotent-Replayed")).toBe("true");
  expect(payoutSchema.parse(await replay.json()).payoutId).toBe(payout.payoutId);
  const found = await ask(tenant, `GET /v1/payouts/${payout.payoutId}`);
  expect(payoutSchema.parse(await found.json()).payoutId).toBe(payout.payoutId);
});

test("of several payouts of everything at the same time one gets it", async () => {
  const tenant = await tenantWithEarnings();
  const responses = await Promise.all(
    [1, 2, 3].map(() => requestPayout(tenant, crypto.randomUUID(), {})),
  );
  const codes = await Promise.all(responses.map(problemOf));
  expect(codes.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([
    201, 409, 409,
  ]);
  expect(codes.filter(({ code }) => code === "nothing_available")).toHaveLength(2);
});

test("refuses more than is available, and says how much is", async () => {
  const tenant = await tenantWithEarnings();
  const response = await requestPayout(tenant, crypto.randomUUID(), { amountAtomic: "18001" });
  expect(response.status).toBe(409);
  expect(await response.json()).toMatchObject({
    code: "insufficient_available_funds",
    availableAtomic: "18000",
  });
});

test("refuses another amount under a key that was used", async () => {
  const tenant = await tenantWithEarnings();
  const key = crypto.randomUUID();
  await requestPayout(tenant, key, { amountAtomic: "1000" });
  const response = await requestPayout(tenant, key, { amountAtomic: "2000" });
  expect(await problemOf(response)).toMatchObject({
    status: 409,
    code: "idempotency_key_conflict",
  });
});

test.each(["", "x".repeat(15), "x".repeat(256), "sixteen spaces here", "tab\tis-no-good-here"])(
  "refuses a payout under the key %j",
  async (key) => {
    const response = await requestPayout(await createTenant(), key);
    expect(await problemOf(response)).toMatchObject({
      status: 400,
      code: "idempotency_key_required",
    });
  },
);

test.each([
  [{ amountAtomic: "0" }, "amountAtomic"],
  [{ amountAtomic: "-1" }, "amountAtomic"],
  [{ amountAtomic: "1.5" }, "amountAtomic"],
  [{ amountAtomic: "1e3" }, "amountAtomic"],
  [{ amountAtomic: 1000 }, "amountAtomic"],
  [{ amountAtomic: "9".repeat(31) }, "amountAtomic"],
  [{ amountAtomic: "1", wallet: PAYER }, "wallet"],
])("refuses the payout %j, naming the field", async (body, field) => {
  const response = await requestPayout(await createTenant(), crypto.randomUUID(), body);
  expect(await problemOf(response)).toEqual({
    status: 400,
    code: "invalid_request",
    fields: [field],
  });
});

test("a payout is on record before the ledger is asked, without its key", async () => {
  const tenant = await tenantWithEarnings();
  const key = crypto.randomUUID();
  await requestPayout(tenant, key, { amountAtomic: "1000" });
  const entry = await env.DB.prepare(
    "SELECT * FROM audit WHERE tenant_id = ? AND action = 'payout.request'",
  )
    .bind(tenant.tenantId)
    .first();
  expect(entry).toMatchObject({ actor: "tenant", subject: tenant.wallet });
  expect(JSON.stringify(entry)).toContain("1000");
  expect(JSON.stringify(entry)).not.toContain(key);
});
