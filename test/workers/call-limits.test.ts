/** The limits of one call: what its caller sees, that nothing is charged, and that it is counted. */
import { env } from "cloudflare:workers";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { PlanId } from "../../src/contracts/snapshot.ts";
import { listLimitExceedances } from "../../src/tenant/directory/limit-exceedances.ts";
import {
  KEPT_HEADERS_LENGTH_MAX,
  keptHeaders,
  lengthOf,
} from "../../src/dispatcher/kept-headers.ts";
import type { LimitName } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { PaidCalls } from "../support/paid-calls.ts";

const payer = generatePrivateKey();
let calls: PaidCalls;

beforeEach(() => {
  calls = new PaidCalls();
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Buys the report with a body of so many bytes. */
async function buyReport(bodyBytes: number): Promise<Response> {
  const report = `${calls.base}/reports/daily`;
  const header = await calls.signFor(await calls.fetch(report, { method: "POST" }), payer);
  const headers = { "PAYMENT-SIGNATURE": header };
  return calls.fetch(report, { method: "POST", headers, body: "x".repeat(bodyBytes) });
}

function answerBytes(bytes: number): void {
  calls.onRun = async () => new Response("x".repeat(bytes));
}

async function expectExceeded(
  response: Response,
  [status, code]: [status: number, code: string],
  limit: LimitName,
): Promise<void> {
  expect(await response.json()).toMatchObject({ status, code, limit });
  expect(response.headers.get("Payment-Status")).toBe("not-charged");
  expect(calls.settled).toEqual([]);
  // Counted after the answer.
  await vi.waitFor(
    async () =>
      expect(await listLimitExceedances(env.DB, calls.tenantId, 10)).toMatchObject([
        { limit, count: 1 },
      ]),
    { timeout: 30_000, interval: 50 },
  );
}

/** An answer that is sold with so many characters of headers of its own. */
async function headersOf(length: number): Promise<Response> {
  await calls.open("after");
  const sold = { url: new URL(calls.base), target: "/" };
  const others = lengthOf(keptHeaders(new Headers({ "X-Long": "" }), sold));
  const headers = { "X-Long": "x".repeat(length - others) };
  calls.onRun = async () => new Response(null, { headers });
  return calls.pay("1", payer);
}

test("headers of the most that may be kept are sold, of a character more they are not", async () => {
  const sold = await headersOf(KEPT_HEADERS_LENGTH_MAX);
  expect([sold.status, sold.headers.get("Payment-Status")]).toEqual([200, "settled"]);
  const refused = await headersOf(KEPT_HEADERS_LENGTH_MAX + 1);
  expect(await refused.json()).toMatchObject({ status: 502, code: "handler_failed" });
  expect(refused.headers.get("Payment-Status")).toBe("not-charged");
  expect(calls.settled).toHaveLength(1);
});

describe.each<PlanId>(["free", "pro", "scale"])("on the %s plan", (plan) => {
  const { requestBytesMax, responseBytesMax, handlerDeadlineMs } = PLANS[plan].limits;

  beforeEach(() => calls.open("after", { plan }));

  test("a body of the most there may be is sold for, one of a byte more is not", async () => {
    await expectExceeded(
      await buyReport(requestBytesMax + 1),
      [413, "payload_too_large"],
      "requestBytesMax",
    );
    expect(calls.runs()).toBe(0);
    expect((await buyReport(requestBytesMax)).status).toBe(200);
  });

  test("an answer of a byte too many is not sold", async () => {
    answerBytes(responseBytesMax + 1);
    await expectExceeded(
      await calls.pay("1", payer),
      [502, "response_too_large"],
      "responseBytesMax",
    );
  });

  test("a handler past its deadline is given up, and may be called again", async () => {
    const setTimer = setTimeout;
    const waits: unknown[] = [];
    vi.spyOn(globalThis, "setTimeout").mockImplementation((run, ms, ...rest) => {
      waits.push(ms);
      return setTimer(run, ms === handlerDeadlineMs ? 1 : ms, ...rest);
    });
    calls.onRun = () => new Promise(() => {});
    const response = await calls.pay("1", payer);
    expect(waits).toContain(handlerDeadlineMs);
    expect(response.headers.get("Retry-After")).toBe("10");
    await expectExceeded(response, [429, "tenant_limit_exceeded"], "handlerDeadlineMs");
  });
});

test("an override is in force until it expires, without another publish", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const { responseBytesMax } = PLANS.free.limits;
  const expiresAtMs = Date.now() + 60_000;
  const limits = { responseBytesMax: responseBytesMax + 1 };
  await calls.open("after", { limitOverrides: [{ limits, expiresAtMs }] });
  answerBytes(responseBytesMax + 1);
  expect((await calls.pay("1", payer)).status).toBe(200);
  vi.setSystemTime(expiresAtMs);
  expect((await calls.pay("2", payer)).status).toBe(502);
});
