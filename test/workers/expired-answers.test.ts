/** Payments sent again long after: as long as the answer is kept they get it, and then are told that it is gone. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { generatePrivateKey } from "viem/accounts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { decodeHeader } from "../../src/payment/header-codec.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { PaidCalls } from "../support/paid-calls.ts";

const problemSchema = z.object({ code: z.string() });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

test("a payment sent again after the retention is 410 with its settlement: no handler, no facilitator, no charge", async () => {
  const calls = new PaidCalls();
  await calls.open("after");
  const header = await calls.sign("1", generatePrivateKey());
  const paid = await calls.send("1", header);
  expect(paid.status).toBe(200);
  await paid.text();
  vi.setSystemTime(Date.now() + PLANS.free.limits.retentionMs);
  await runDurableObjectAlarm(env.SETTLEMENT_LEDGER.getByName(calls.tenantId));
  calls.log.length = 0;
  const again = await calls.send("1", header);
  expect([again.status, problemSchema.parse(await again.json()).code]).toEqual([
    410,
    "response_expired",
  ]);
  expect(again.headers.get("PAYMENT-RESPONSE")).toBe(paid.headers.get("PAYMENT-RESPONSE"));
  expect(decodeHeader(again.headers.get("PAYMENT-RESPONSE") ?? "")).toMatchObject({
    value: { success: true },
  });
  expect(again.headers.has("PAYMENT-REQUIRED")).toBe(false);
  expect(calls.log).toEqual([]);
  expect(calls.settled).toHaveLength(1);
});

test("a payment sent again after the quote secret was replaced gets its answer; one that is new is refused", async () => {
  const calls = new PaidCalls();
  await calls.open("after");
  const payer = generatePrivateKey();
  const headers = [await calls.sign("1", payer), await calls.sign("2", payer)] as const;
  const paid = await calls.send("1", headers[0]);
  const answer = await paid.text();
  calls.bindings = { ...env, QUOTE_SECRET: "another-quote-secret-0123456789-abcd" };
  const again = await calls.send("1", headers[0]);
  expect([again.status, again.headers.get("Payment-Status")]).toEqual([200, "replayed"]);
  expect(await again.text()).toBe(answer);
  const fresh = await calls.send("2", headers[1]);
  expect([fresh.status, problemSchema.parse(await fresh.json()).code]).toEqual([
    402,
    "quote_invalid",
  ]);
  expect(calls.settled).toHaveLength(1);
});
