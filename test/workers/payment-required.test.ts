/** Whether a payer has to pay again: what a 402 after a payment says, when there is none, and what HEAD costs. */
import { generatePrivateKey } from "viem/accounts";
import { afterEach, expect, test, vi } from "vitest";
import { decodeHeader } from "../../src/payment/header-codec.ts";
import { PaidCalls, routeOf } from "../support/paid-calls.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test.each([
  ["the reason", "insufficient_funds", "insufficient_funds"],
  // As a 412 it would say that this payment is still good.
  ["no code that has another status", "permit2_allowance_required", "settlement_failed"],
])(
  "a settlement that failed is 402 with %s as its code, also for a resend: %s",
  async (_what, errorReason, code) => {
    const calls = new PaidCalls();
    await calls.open("after");
    calls.onSettle = async () => ({
      success: false,
      errorReason,
      transaction: "",
      network: "eip155:84532",
    });
    const header = await calls.sign("1", generatePrivateKey());
    for (let sends = 0; sends < 2; sends += 1) {
      const failed = await calls.send("1", header);
      expect([failed.status, failed.headers.get("Payment-Status")]).toEqual([402, "failed"]);
      expect(await failed.json()).toMatchObject({ code, error: code });
      expect(decodeHeader(failed.headers.get("PAYMENT-REQUIRED") ?? "")).toMatchObject({
        value: { error: code },
      });
      expect(decodeHeader(failed.headers.get("PAYMENT-RESPONSE") ?? "")).toMatchObject({
        value: { success: false, errorReason },
      });
    }
    expect(calls.runs()).toBe(1);
  },
);

test("where the platform breaks before it looks at a payment, it asks for the same one again", async () => {
  const calls = new PaidCalls();
  await calls.open("after");
  const header = await calls.sign("1", generatePrivateKey());
  const broken = new PaidCalls();
  await broken.open("after", { network: "eip155:999999" });
  vi.spyOn(console, "error").mockReturnValue();
  expect((await broken.fetch(`${broken.base}/items/1`)).status).toBe(500);
  const answer = await broken.send("1", header);
  expect([answer.status, answer.headers.get("Payment-Status")]).toEqual([503, "unknown"]);
  expect(answer.headers.has("Retry-After")).toBe(true);
  expect(await answer.json()).toMatchObject({ code: "settlement_unknown" });
});

test("a handler's own 402 is none: what it answers is 502, and nothing is charged", async () => {
  const calls = new PaidCalls();
  await calls.open("after");
  calls.onRun = async () => Response.json({ x402Version: 1, accepts: [] }, { status: 402 });
  const answer = await calls.pay("1", generatePrivateKey());
  expect([answer.status, answer.headers.get("Payment-Status")]).toEqual([502, "not-charged"]);
  expect(await answer.json()).toMatchObject({ code: "handler_failed" });
  expect(calls.log).not.toContain("settle");
});

test("HEAD is paid for each time where it is sold, though its answer has no body to be read", async () => {
  const calls = new PaidCalls();
  await calls.open("after", { routes: [routeOf("/head", "HEAD", "10000", "after")] });
  const payer = generatePrivateKey();
  const url = `${calls.base}/head`;
  for (let count = 0; count < 3; count += 1) {
    const headers = { "PAYMENT-SIGNATURE": await calls.signFor(await calls.fetch(url), payer) };
    const answer = await calls.fetch(url, { method: "HEAD", headers });
    expect([answer.status, await answer.text()]).toEqual([200, ""]);
    expect(answer.headers.get("Payment-Status")).toBe("settled");
  }
  expect(calls.settled).toHaveLength(3);
});
