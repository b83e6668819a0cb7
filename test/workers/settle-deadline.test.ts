/** How long one request goes on from facilitator to facilitator before it leaves a settlement to the ledger's alarm. */
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PaidCalls } from "../support/paid-calls.ts";

let calls: PaidCalls;
/** What a facilitator takes to turn a settlement away unprocessed. */
let answerMs: number;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  calls = new PaidCalls();
  await calls.open("after");
  const serve = vi.mocked(fetch).getMockImplementation();
  vi.mocked(fetch).mockImplementation(async (input, init) => {
    const { url } = new Request(input);
    if (url.endsWith("/supported")) return Response.json({});
    const answer = await serve?.(input, init);
    if (!url.endsWith("/settle")) return answer ?? Response.error();
    vi.setSystemTime(Date.now() + answerMs);
    return Response.json({ error: "busy" }, { status: 403 });
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test.each([
  ["asks each that may settle while there is time", 9_000, 2],
  ["asks nobody else when the first took all of it", 10_000, 1],
])("%s", async (_, durationMs, settlements) => {
  answerMs = durationMs;
  const response = await calls.pay("1", generatePrivateKey());
  expect(await response.json()).toMatchObject({ status: 503, code: "settlement_unknown" });
  expect(Number(response.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect(calls.log.filter((step) => step === "settle")).toHaveLength(settlements);
});
