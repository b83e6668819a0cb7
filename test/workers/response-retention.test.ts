import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { StoredResponse } from "../../src/contracts/ledger.ts";
import { ROW_BODY_BYTES_MAX, loadBody, storeBody } from "../../src/dispatcher/stored-body.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { LedgerCalls } from "../support/ledger-calls.ts";

const RETENTION_MS = PLANS.free.limits.retentionMs;
const SMALL: StoredResponse = { status: 200, headers: [], body: new TextEncoder().encode("{}") };
const LARGE = {
  status: 200,
  headers: [{ name: "content-type", value: "application/octet-stream" }],
  body: new Uint8Array(ROW_BODY_BYTES_MAX + 1).map((_, index) => index % 251),
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  // Neither chain nor facilitators: only time passes.
  vi.spyOn(globalThis, "fetch").mockRejectedValue(new Error("connection refused"));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

async function passTime(calls: LedgerCalls, ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  await runDurableObjectAlarm(calls.stub);
}

/** Stages a large answer, as the edge does. @returns the key of its body's object */
async function settleLarge(calls: LedgerCalls, nonce: string): Promise<string> {
  const grant = await calls.granted(nonce);
  const stored = await storeBody(env, calls.tenantId, grant, LARGE);
  if (stored.body instanceof Uint8Array) throw new Error("it is too large for the rows");
  await calls.stage(nonce, grant, stored);
  await calls.record(grant.paymentId, { class: "settled", transaction: `0x${nonce}` });
  return stored.body.key;
}

test("a stored answer is kept for the plan's retention and removed after it; the payment stays known", async () => {
  const calls = new LedgerCalls();
  const { paymentId } = await calls.settled("01", SMALL);
  await passTime(calls, RETENTION_MS - 1);
  expect((await calls.claim("01")).result).toBe("replay");
  await passTime(calls, 1);
  expect(await calls.claim("01")).toMatchObject({ result: "response_expired", paymentId });
  expect((await calls.claim("01", { payloadDigest: "another" })).result).toBe("conflict");
  expect((await calls.ledger.readReceipt(paymentId))?.transaction).toBe("0x01");
});

test("a payment that may still land keeps its answer past the retention", async () => {
  const calls = new LedgerCalls();
  const paymentId = await calls.staged("01", SMALL);
  await calls.record(paymentId, { class: "ambiguous", reason: "timeout", transaction: null });
  await passTime(calls, RETENTION_MS);
  expect((await calls.claim("01")).result).toBe("unknown");
  await calls.record(paymentId, { class: "settled", transaction: "0x01" });
  expect((await calls.claim("01")).result).toBe("replay");
  await passTime(calls, RETENTION_MS);
  expect((await calls.claim("01")).result).toBe("response_expired");
});

test("a large body is in the bucket as it was, and is deleted with its answer", async () => {
  const calls = new LedgerCalls();
  const key = await settleLarge(calls, "01");
  expect(key.startsWith(`${calls.tenantId}/pay_${calls.tenantId}_`)).toBe(true);
  const reply = await calls.claim("01");
  if (reply.result !== "replay") throw new Error(`expected a replay, got ${reply.result}`);
  expect(await loadBody(env, reply.response)).toEqual(LARGE);
  await passTime(calls, RETENTION_MS);
  expect((await calls.claim("01")).result).toBe("response_expired");
  expect(await env.RESPONSES.head(key)).toBeNull();
  await runInDurableObject(calls.stub, (_ledger, { storage }) => {
    expect([...storage.sql.exec("SELECT payment_id FROM responses")]).toEqual([]);
  });
});

test("a large body that could not be deleted is deleted later, and is not handed out meanwhile", async () => {
  const calls = new LedgerCalls();
  const key = await settleLarge(calls, "01");
  const broken = vi.spyOn(env.RESPONSES, "delete").mockRejectedValue(new Error("unavailable"));
  await passTime(calls, RETENTION_MS);
  expect((await calls.claim("01")).result).toBe("response_expired");
  expect(broken).toHaveBeenCalledOnce();
  expect(await env.RESPONSES.head(key)).not.toBeNull();
  broken.mockRestore();
  await passTime(calls, 60_000);
  expect(await env.RESPONSES.head(key)).toBeNull();
});

test("a body that is not what was stored is never handed out", async () => {
  const calls = new LedgerCalls();
  const key = await settleLarge(calls, "01");
  await env.RESPONSES.put(key, LARGE.body.toReversed());
  const reply = await calls.claim("01");
  if (reply.result !== "replay") throw new Error(`expected a replay, got ${reply.result}`);
  await expect(loadBody(env, reply.response)).rejects.toThrow("has changed");
});

test("a body of another payment can't be staged", async () => {
  const calls = new LedgerCalls();
  const stored = await storeBody(env, calls.tenantId, await calls.granted("01"), LARGE);
  const other = await calls.granted("02");
  const stage = async () => {
    await calls.stage("02", other, stored);
  };
  await expect(stage).rejects.toThrow("another payment's");
});
