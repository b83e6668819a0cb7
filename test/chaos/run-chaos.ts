/**
 * Chaos: the real platform under kills and faults, with real clients, on a real chain. A number of rounds, then
 * everything heals, comes to rest, and is asked what must hold (docs/simulation.md).
 */
import { setTimeout as delay } from "node:timers/promises";
import { payers } from "../../src/local/accounts.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import { Random } from "../simulation/random.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import { allReceipts, disagreements, payOutAll, unfinished } from "./books.ts";
import { HANDLER_MS_MIN, Purchase } from "./purchase.ts";
import { Weather } from "./weather.ts";

const PURCHASES_PER_ROUND = 15;
const ROUND_MS = 3_000;
/** A settle deadline, the lease on top of it, and some retries. */
const REST_TIMEOUT_MS = 150_000;
const POLL_MS = 250;
const HANDLER_MS_MAX = 200;
const HANDLER_FAULT_RATE = 0.05;
/** Distance of the seeds of one run's parts. */
const SEED_STRIDE = 100_003;

export interface ChaosOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Told what happens, line by line. */
  readonly onLine: (line: string) => void;
}

export interface ChaosReport {
  readonly purchases: number;
  readonly payments: number;
  readonly transfers: number;
  readonly workerKills: number;
  readonly platformKills: number;
  readonly chainStops: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Payments that a buyer was told are unknown, and that came to an end. */
  readonly unknownsResolved: number;
  /** Answers that a buyer who signed again got for its earlier payment. */
  readonly superseded: number;
  /** From the end of the last fault until nothing was open any more, milliseconds. */
  readonly timeToRestMs: number;
  /** What did not hold; empty when all did. */
  readonly violations: readonly string[];
}

/** @throws when the platform does not start or leaves a process behind */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const world = await TestWorld.start();
  try {
    const origin = await startOrigin(new Random(options.seed + SEED_STRIDE));
    try {
      return await storm(world, origin, options);
    } finally {
      await origin.stop();
    }
  } finally {
    await world.stop();
  }
}

/** Its answers are never the same twice, late, and now and then none. */
async function startOrigin(random: Random): Promise<OriginServer> {
  const origin = await OriginServer.start();
  let runs = 0;
  origin.answer = ({ url }, response) => {
    runs += 1;
    const body = JSON.stringify({ url, run: runs });
    const fails = random.chance(HANDLER_FAULT_RATE);
    setTimeout(
      () => {
        if (fails) response.statusCode = 500;
        response.end(body);
      },
      random.between(HANDLER_MS_MIN, HANDLER_MS_MAX),
    );
  };
  return origin;
}

async function storm(
  world: TestWorld,
  origin: OriginServer,
  { rounds, seed, onLine }: ChaosOptions,
): Promise<ChaosReport> {
  const tenant = await world.createTenant();
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [{ path: "/answer", origin: origin.url, price: "$0.01" }],
  });
  const weather = new Weather(world, new Random(seed));
  const url = `${world.url}/t/${tenant.tenantId}/answer`;
  const purchases: Purchase[] = [];
  const running: Promise<void>[] = [];
  let isOver = false;
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (let count = 0; count < PURCHASES_PER_ROUND; count += 1) {
        const index = purchases.length;
        const random = new Random(seed + (index + 2) * SEED_STRIDE);
        const payer = payers[index % payers.length] ?? payers[0];
        const purchase = new Purchase(`${url}?n=${index}`, payer.privateKey, random);
        purchases.push(purchase);
        running.push(delay(random.between(0, ROUND_MS / 2)).then(() => purchase.run(() => isOver)));
      }
      await weather.round(round, ROUND_MS);
      const answered = purchases.filter(({ answers }) => answers.length > 0).length;
      onLine(`round ${round + 1}: ${answered} of ${purchases.length} purchases answered`);
    }
  } finally {
    await weather.heal();
  }
  const timeToRestMs = await rest(tenant, running);
  isOver = true;
  await Promise.all(running);
  return await report({ world, tenant, purchases, weather, timeToRestMs });
}

/** Waits until every buyer is done and every payment has come to an end, or the time for that is over. */
async function rest(tenant: TestTenant, running: readonly Promise<void>[]): Promise<number> {
  const startedAtMs = Date.now();
  let areBuyersDone = false;
  void Promise.all(running).then(() => (areBuyersDone = true));
  while (Date.now() - startedAtMs < REST_TIMEOUT_MS) {
    if (areBuyersDone && unfinished(await allReceipts(tenant)).length === 0) break;
    await delay(POLL_MS);
  }
  return Date.now() - startedAtMs;
}

async function report(end: {
  readonly world: TestWorld;
  readonly tenant: TestTenant;
  readonly purchases: readonly Purchase[];
  readonly weather: Weather;
  readonly timeToRestMs: number;
}): Promise<ChaosReport> {
  const { tenant, purchases, weather } = end;
  const chain = chainTestClient(end.world.chain.rpcUrl);
  const violations = await disagreements(chain, tenant, purchases);
  const receipts = await allReceipts(tenant);
  const open = new Set(unfinished(receipts).map(({ paymentId }) => paymentId));
  const unknown = new Set(purchases.flatMap((purchase) => [...purchase.unknown]));
  violations.push(...(await payOutAll(chain, tenant)));
  return {
    purchases: purchases.length,
    payments: receipts.length,
    transfers: receipts.filter(({ state }) => state === "confirmed").length,
    ...weather.counts,
    faults: Object.fromEntries(weather.faults),
    unknownsResolved: [...unknown].filter((paymentId) => !open.has(paymentId)).length,
    superseded: purchases
      .flatMap(({ answers }) => answers)
      .filter(({ paymentStatus }) => paymentStatus === "superseded").length,
    timeToRestMs: end.timeToRestMs,
    violations,
  };
}
