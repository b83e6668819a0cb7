/** The canary on a real chain, through the facilitators of an embedded platform. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { AdminFacilitatorList } from "../../src/contracts/admin-facilitators.ts";
import { platformAlertListSchema } from "../../src/contracts/admin-alerts.ts";
import { payers } from "../../src/local/accounts.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import { LOCAL_NETWORK } from "../../src/local/local-network.ts";
import { transferCount } from "../support/chain-facts.ts";
import { untilDayHasTime } from "../support/day.ts";
import { OPERATOR_TOKEN, TestWorld } from "../support/platform.ts";

const SINK = privateKeyToAddress(generatePrivateKey());
/** Long enough that the first round is seen before the second begins. */
const INTERVAL_MS = 10_000;
/** Two rounds through two facilitators would be four payments. */
const PAYMENTS_MAX = 3;
const WITHIN = { timeout: 45_000, interval: 200 };

let directory: string;
let world: TestWorld;

beforeAll(async () => {
  await untilDayHasTime();
  directory = await mkdtemp(join(tmpdir(), "claw-canary-"));
  const variables = {
    CANARY: {
      secret: "CANARY_WALLET_KEY",
      network: LOCAL_NETWORK,
      payTo: SINK,
      amountAtomic: "100",
      intervalMs: INTERVAL_MS,
      dailySpendCapAtomic: String(PAYMENTS_MAX * 100),
    },
    CANARY_WALLET_KEY: payers[4].privateKey,
  };
  const file = join(directory, "variables.json");
  await writeFile(file, JSON.stringify(variables));
  world = await TestWorld.start(["--vars", file]);
});

afterAll(async () => {
  await world?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function canaryView() {
  const response = await fetch(`${world.url}/admin/facilitators`, {
    headers: { Authorization: `Bearer ${OPERATOR_TOKEN}` },
  });
  const { canary } = await response.json<AdminFacilitatorList>();
  if (canary === null) throw new Error("no canary");
  return canary;
}

function transfers(): Promise<number> {
  return transferCount(chainTestClient(world.chain.rpcUrl), SINK);
}

test("a canary pays once per interval through each facilitator, until the day's cap", async () => {
  await world.facilitators[1].control.inject({ operation: "settle", fault: "500" });
  const first = await vi.waitFor(async () => {
    const view = await canaryView();
    expect(view.facilitators.map(({ last }) => last?.outcome)).toEqual(["confirmed", "ambiguous"]);
    return view;
  }, WITHIN);
  expect(first.spentTodayAtomic).toBe("200");
  expect(first.facilitators[0]?.last?.transaction).toMatch(/^0x[0-9a-f]{64}$/);
  expect(await transfers()).toBe(1);
  await world.facilitators[1].control.clear();

  const second = await vi.waitFor(async () => {
    const view = await canaryView();
    expect(view.spentTodayAtomic).toBe("300");
    const outcomes = view.facilitators.map(({ last }) => last?.outcome);
    expect(outcomes).not.toContain("unknown");
    return view;
  }, WITHIN);
  const paidAtMs = second.facilitators.map(({ last }) => last?.atMs ?? 0);
  const firstAtMs = first.facilitators.map(({ last }) => last?.atMs ?? 0);
  expect(Math.max(...paidAtMs) - Math.min(...firstAtMs)).toBeGreaterThanOrEqual(INTERVAL_MS);
  expect(await transfers()).toBe(2);
  const stats = await Promise.all(world.facilitators.map(({ control }) => control.stats()));
  const settlements = stats.reduce((sum, { calls }) => sum + calls.settle.received, 0);
  expect(settlements).toBe(PAYMENTS_MAX);
});

test("a canary that fails is an alert", async () => {
  const alerts = await vi.waitFor(async () => {
    const list = await world.admin(platformAlertListSchema, "GET /alerts?tenant=platform");
    const found = list.alerts.filter(({ kind }) => kind === "canary_failed");
    expect(found.length).toBeGreaterThan(0);
    return found;
  }, WITHIN);
  expect(alerts.map(({ detail }) => detail)).toEqual([
    "a payment of our own through facilitator-2: facilitator_error",
  ]);
});
