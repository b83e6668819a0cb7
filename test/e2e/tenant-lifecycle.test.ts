/** A tenant's life on a running platform: versions change under paid calls, keys change, and at the end it leaves. */
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { decodePaymentSignatureHeader } from "@x402/core/http";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { rotatedApiKeySchema } from "../../src/contracts/api-keys.ts";
import { PlatformApi } from "../../src/cli/platform-api.ts";
import { exportLineSchema } from "../../src/contracts/export.ts";
import type { DeploymentResponse } from "../../src/contracts/tenant-api.ts";
import { payers } from "../../src/local/accounts.ts";
import { runClaw } from "../support/dev-process.ts";
import { OriginServer } from "../support/origin-server.ts";
import { Payer, quoteOf, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

const CALLS = 60;
/** Where changes are slower than calls there are more of these, for as many changes as this. */
const CALLS_MAX = 300;
const CHANGES_MIN = 7;
const CONCURRENCY = 4;
/** Several changes of what is on sale between two steps of a call, and not nothing but changes. */
const CHANGE_INTERVAL_MS = 150;

let world: TestWorld;
let one: OriginServer;
let two: OriginServer;
let tenant: TestTenant;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  [one, two] = [await OriginServer.start(), await OriginServer.start()];
});

afterAll(async () => {
  await one?.stop();
  await two?.stop();
  await world?.stop();
});

beforeEach(async () => {
  tenant = await world.createTenant();
  one.reset();
  one.answer = (_request, response) => response.end("one");
  two.reset();
  two.answer = (_request, response) => response.end("two");
});

const urlOf = (path: string) => `${world.url}/t/${tenant.tenantId}${path}`;

/** `/quote` costs $0.001 and answers "one"; `/legacy` is sold by this version only. */
function deployFirst(): Promise<DeploymentResponse> {
  const sold = { origin: one.url, price: "$0.001" };
  return tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [
      { path: "/quote", ...sold },
      { path: "/legacy", ...sold },
    ],
  });
}

/** `/quote` costs $0.002 and answers "two". */
function deploySecond(): Promise<DeploymentResponse> {
  return tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/quote", origin: two.url, price: "$0.002" }],
  });
}

/** Price and answer of each receipt's payment, as they should be found together. */
async function amountsCharged(): Promise<string[]> {
  const { receipts } = await tenant.api.receipts(new URLSearchParams({ limit: "1000" }));
  return receipts.map(({ amountAtomic }) => amountAtomic).toSorted();
}

const quotedSchema = z.object({
  accepts: z.tuple([z.object({ amount: z.string(), extra: z.object({ quote: z.string() }) })]),
});

/** What a 402 asks for, and until when, in seconds since the epoch. */
function offerOf(required: unknown): { readonly amount: string; readonly untilSeconds: unknown } {
  const [{ amount, extra }] = quotedSchema.parse(required).accepts;
  const [, claims = ""] = extra.quote.split(".");
  const [, , , , , , , , , untilSeconds] = z
    .array(z.json())
    .parse(JSON.parse(Buffer.from(claims, "base64url").toString()));
  return { amount, untilSeconds };
}

test("a quote is honoured after its version was replaced: its price, its route, its handler", async () => {
  await deployFirst();
  const headers = [await payer.sign(urlOf("/quote")), await payer.sign(urlOf("/legacy"))];
  await deploySecond();
  expect(await send(urlOf("/quote"), headers[0] ?? "")).toMatchObject({ status: 200, body: "one" });
  expect(await send(urlOf("/legacy"), headers[1] ?? "")).toMatchObject({
    status: 200,
    body: "one",
  });
  expect(await payer.pay(urlOf("/quote"))).toMatchObject({ status: 200, body: "two" });
  expect(await amountsCharged()).toEqual(["1000", "1000", "2000"]);
  const unpaid = await fetch(urlOf("/legacy"));
  expect([unpaid.status, await unpaid.json()]).toMatchObject([404, { code: "unknown_route" }]);
});

test("a refusal under the earlier version does not prolong its quotes", async () => {
  await deployFirst();
  const poor = new Payer(generatePrivateKey());
  const quote = await quoteOf(urlOf("/quote"));
  const header = await poor.sign(urlOf("/quote"), () => {}, quote);
  await deploySecond();
  // Quotes count in seconds: one of now would end later than the first.
  await delay(1_100);
  const response = await fetch(urlOf("/quote"), { headers: { "PAYMENT-SIGNATURE": header } });
  expect(response.status).toBe(402);
  const required: unknown = JSON.parse(atob(response.headers.get("PAYMENT-REQUIRED") ?? ""));
  expect(offerOf(required)).toEqual(offerOf(quote));
});

test("a call that is under way finishes on the version it started on", async () => {
  await deployFirst();
  const asked = Promise.withResolvers<() => void>();
  one.answer = (_request, response) => asked.resolve(() => response.end("one, later"));
  const call = payer.pay(urlOf("/quote"));
  const finish = await asked.promise;
  await deploySecond();
  expect(await payer.pay(urlOf("/quote?n=2"))).toMatchObject({ status: 200, body: "two" });
  finish();
  expect(await call).toMatchObject({ status: 200, body: "one, later" });
});

test("rollback under load with no failed paid call", async () => {
  const versions = [await deployFirst(), await deploySecond()];
  const work = { next: 0, isDone: false, changes: 0 };
  const change = async () => {
    for (; !work.isDone; work.changes += 1) {
      await tenant.api.rollBack(versions[work.changes % 2]?.deploymentId ?? "");
      await delay(CHANGE_INTERVAL_MS);
    }
  };
  const answers: Awaited<ReturnType<Payer["pay"]>>[] = [];
  const buy = async () => {
    const isEnough = () => work.next >= CALLS && work.changes >= CHANGES_MIN;
    while (!isEnough() && work.next < CALLS_MAX) {
      work.next += 1;
      answers.push(await payer.pay(urlOf(`/quote?n=${work.next}`)));
    }
  };
  const changing = change();
  await Promise.all(Array.from({ length: CONCURRENCY }, buy)).finally(() => {
    work.isDone = true;
  });
  await changing;

  const bought = answers.map(({ status, body, header }) => ({
    status,
    body,
    amount: decodePaymentSignatureHeader(header).accepted.amount,
  }));
  const asQuoted = [
    { status: 200, body: "one", amount: "1000" },
    { status: 200, body: "two", amount: "2000" },
  ];
  for (const call of bought) expect(asQuoted).toContainEqual(call);
  // Both were sold, many times over.
  expect(work.changes).toBeGreaterThanOrEqual(CHANGES_MIN);
  expect(new Set(bought.map(({ body }) => body)).size).toBe(2);
  // Each ran once, on the version that was quoted, and each was charged once, at that price.
  const countOf = (body: string) => bought.filter((call) => call.body === body).length;
  expect([one.calls, two.calls]).toEqual([countOf("one"), countOf("two")]);
  expect(await amountsCharged()).toEqual(bought.map(({ amount }) => amount).toSorted());
  expect(bought).toHaveLength(work.next);
});

test("keys, versions, export and the end, at the command line", async () => {
  const directory = await mkdtemp(join(tmpdir(), "claw-lifecycle-"));
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => rm(directory, { recursive: true, force: true }));
  let apiKey = tenant.apiKey;
  const claw = async (...args: string[]) => {
    const env = { CLAW_URL: world.url, CLAW_API_KEY: apiKey };
    const { code, stdout, stderr } = await runClaw(args, { cwd: directory, env });
    expect({ args, code, stderr: code === 0 ? "" : stderr }).toEqual({ args, code: 0, stderr: "" });
    return stdout;
  };
  const [first] = [await deployFirst(), await deploySecond()];
  expect(await claw("rollback")).toContain(first.deploymentId);
  expect(await claw("deployments")).toMatch(new RegExp(`1 +yes .* 2 +${first.deploymentId}`));
  const paid = await payer.pay(urlOf("/legacy"));

  const rotated = rotatedApiKeySchema.parse(JSON.parse(await claw("key", "rotate", "--json")));
  apiKey = rotated.apiKey;
  await claw("key", "revoke", rotated.replaced.prefix);
  expect(await claw("key", "list")).toMatch(new RegExp(`${rotated.prefix}… +yes `));

  const api = new PlatformApi(world.url, apiKey);
  await vi.waitFor(async () => expect((await api.balance()).availableAtomic).not.toBe("0"), {
    timeout: 60_000,
    interval: 250,
  });
  const { payoutId } = await api.createPayout(undefined, randomUUID());
  await claw("export", "--output", directory);
  const lines = (await readFile(join(directory, "export.ndjson"), "utf8")).trimEnd().split("\n");
  const types = lines.map((line) => exportLineSchema.parse(JSON.parse(line)).type);
  expect(new Set(types)).toEqual(
    new Set(["tenant", "deployment", "receipt", "payout", "posting", "audit", "end"]),
  );

  await vi.waitFor(async () => expect((await api.payout(payoutId)).state).toBe("confirmed"), {
    timeout: 60_000,
    interval: 250,
  });
  await claw("tenant", "delete", tenant.tenantId, "--confirm", tenant.tenantId);
  expect((await fetch(urlOf("/legacy"))).status).toBe(404);
  expect(await send(urlOf("/legacy"), paid.header)).toMatchObject({
    status: 200,
    body: "one",
    replayed: true,
  });
});
