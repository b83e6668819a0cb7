/** Answers of every size are stored before they are paid for, and replayed byte for byte. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { transferCount } from "../support/chain-facts.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type Answer, Payer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Of every plan (`src/tenant/plans.ts`). */
const CAP = 10 * MIB;

let world: TestWorld;
let origin: OriginServer;
let tenant: TestTenant;
let chain: ChainTestClient;
let url: string;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
  tenant = await world.createTenant();
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/large", origin: origin.url, price: "$0.01" }],
  });
  url = `${world.url}/t/${tenant.tenantId}/large`;
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(() => origin.reset());

/** The origin answers with a JSON document of exactly so many bytes, another one each time. */
function answerBytes(bytes: number): void {
  origin.answer = (_request, response) => {
    const frame = '{"data":""}';
    const data = randomBytes(Math.ceil(bytes / 2)).toString("hex");
    response.setHeader("Content-Type", "application/json");
    response.setHeader("ETag", `"${data.slice(0, 8)}"`);
    response.end(`{"data":"${data.slice(0, bytes - frame.length)}"}`);
  };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const SIZES: readonly (readonly [name: string, bytes: number])[] = [
  ["the most that stays in rows", 256 * KIB],
  ["the least that does not", 256 * KIB + 1],
  ["257 KiB", 257 * KIB],
  ["1 MiB", MIB],
  ["9 MiB", 9 * MIB],
  ["exactly the cap", CAP],
];
const paid: { readonly request: string; readonly first: Answer; readonly header: string }[] = [];

test.each(SIZES)("%s is paid once, and replayed as it was", async (_name, bytes) => {
  answerBytes(bytes);
  const transfers = await transferCount(chain, tenant.payTo);
  const request = `${url}?bytes=${bytes}`;
  const first = await payer.pay(request);
  expect([first.status, first.body.length]).toEqual([200, bytes]);
  expectSame(await send(request, first.header), first);
  expect(origin.calls).toBe(1);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers + 1);
  paid.push({ request, first, header: first.header });
});

test("all of them are replayed as they were after a crash", async () => {
  await world.kill();
  await world.restart();
  expect(paid).toHaveLength(SIZES.length);
  for (const { request, first, header } of paid) expectSame(await send(request, header), first);
  expect(origin.calls).toBe(0);
});

function expectSame(replay: Answer, first: Answer): void {
  expect([replay.status, replay.replayed]).toEqual([200, true]);
  expect(digest(replay.body)).toBe(digest(first.body));
  for (const name of ["Content-Type", "ETag", "PAYMENT-RESPONSE"]) {
    expect(replay.headers.get(name)).toBe(first.headers.get(name));
  }
}

test("a byte more than the cap is refused, and not charged", async () => {
  answerBytes(CAP + 1);
  const transfers = await transferCount(chain, tenant.payTo);
  const answer = await payer.pay(`${url}?over`);
  expect(answer).toMatchObject({
    status: 502,
    code: "response_too_large",
    paymentStatus: "not-charged",
  });
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
});
