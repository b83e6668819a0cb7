/** Which versions of x402 a tenant sells by: both, unless it or the facilitators leave v1 out. */
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import { HealthCache } from "../../src/facilitator/health-cache.ts";
import { decodeHeader, encodeHeader } from "../../src/payment/header-codec.ts";
import { ANSWER, PaidCalls, routeOf } from "../support/paid-calls.ts";

const PAY_TO = `0x${"b0".repeat(20)}`;
const ROUTE = routeOf("/items/:key", "GET", "10000", "after");
/** Longer than an edge keeps a snapshot, shorter than a v1 payment is replayed without a proof. */
const REFRESHED_AFTER_MS = 300_000;

let calls: PaidCalls;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  calls = new PaidCalls();
  await calls.open("after", { payTo: PAY_TO });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const paidSchema = z.object({ payload: z.json() });

/** The payment as a v1 client sends it. */
async function signV1(item: string): Promise<string> {
  const v2 = decodeHeader(await calls.sign(item, generatePrivateKey()));
  const { payload } = paidSchema.parse(v2.ok ? v2.value : null);
  return encodeHeader({ x402Version: 1, scheme: "exact", network: "base-sepolia", payload });
}

const sendV1 = (item: string, header: string) =>
  calls.fetch(`${calls.base}/items/${item}`, { headers: { "X-PAYMENT": header } });

async function acceptsOf(item: string): Promise<{ v1: number; v2: number }> {
  const answer = await calls.fetch(`${calls.base}/items/${item}`);
  const schema = z.object({ accepts: z.array(z.unknown()) });
  const v2 = decodeHeader(answer.headers.get("PAYMENT-REQUIRED") ?? "");
  return {
    v1: schema.parse(await answer.json()).accepts.length,
    v2: schema.parse(v2.ok ? v2.value : null).accepts.length,
  };
}

describe("a tenant that sells by both versions", () => {
  test("offers both, and takes a v1 payment under the name v1 has for the network", async () => {
    expect(await acceptsOf("1")).toEqual({ v1: 1, v2: 1 });
    const answer = await sendV1("1", await signV1("1"));
    expect([answer.status, await answer.text()]).toEqual([200, ANSWER]);
    expect(answer.headers.get("PAYMENT-RESPONSE")).toBeNull();
    expect(decodeHeader(answer.headers.get("X-PAYMENT-RESPONSE") ?? "")).toMatchObject({
      value: { success: true, network: "base-sepolia" },
    });
  });

  test.each([
    ["lists it", [1, 2], 1],
    ["lists v2 only", [2], 0],
  ] as const)("offers v1 where a facilitator %s", async (_what, versions, offered) => {
    const kinds = versions.map((x402Version) => ({
      x402Version,
      scheme: "exact",
      network: "eip155:84532",
      extra: {},
    }));
    vi.spyOn(HealthCache.prototype, "kinds").mockReturnValue(kinds);
    expect(await acceptsOf("1")).toEqual({ v1: offered, v2: 1 });
  });
});

test("a tenant that leaves v1 out offers and takes v2 only, and answers v1 payments it knows", async () => {
  const known = await signV1("known");
  expect((await sendV1("known", known)).status).toBe(200);
  const routes = [{ ...ROUTE, x402Versions: [2 as const] }];
  await calls.open("after", { payTo: PAY_TO, version: 2, routes });
  vi.setSystemTime(Date.now() + REFRESHED_AFTER_MS);
  expect(await acceptsOf("1")).toEqual({ v1: 0, v2: 1 });
  const refused = await sendV1("1", await signV1("1"));
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({
    code: "malformed_payment",
    detail: expect.stringContaining("PAYMENT-REQUIRED"),
  });
  expect((await calls.pay("1", generatePrivateKey())).status).toBe(200);
  const again = await sendV1("known", known);
  expect([again.status, again.headers.get("Payment-Status")]).toEqual([200, "replayed"]);
});
