/** A payment sent again when its answer is no longer kept: it is known, it is not sold to again, and says so. */
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
