/** All measurements on one medium: one workerd with both servers, and what they store on that medium. */
import type { LoopResult } from "./closed-loop.ts";
import {
  type Comparison,
  type Contender,
  type Rounds,
  type Summary,
  compare,
  median,
  oneRound,
  summaryOf,
} from "./compare.ts";
import type { FacilitatorProcess } from "./facilitator-process.ts";
import { type GarbageCost, measureGarbage } from "./measure-garbage.ts";
import { DELAYED_PATH, ROUTE_PATH } from "./offer.ts";
import { type SignedPayload, paidRequests, unpaidRequest } from "./payments.ts";
import { CONCURRENCIES, type Plan } from "./plan.ts";
import { type BenchRuntime, type Target, startRuntime } from "./runtime.ts";
import { walPosition } from "./wal.ts";

/** The facilitator of a real network: a verification by simulation, a settlement that waits for a block. */
const SLOW_FACILITATOR = { verifyMs: 100, settleMs: 400 };
const FAST_FACILITATOR = { verifyMs: 0, settleMs: 0 };

/** Callers know nothing of each other: their first requests fall anywhere within the time of a call. */
const SLOW_SPREAD_MS = SLOW_FACILITATOR.verifyMs + SLOW_FACILITATOR.settleMs;

const CONCURRENCY = 16;
/** Calls per look at the write-ahead log, which starts anew every thousand pages. */
const WAL_BATCH_CALLS = 24;
const WAL_BATCHES = 8;
const FILL_BATCH = 20_000;

export interface Medium {
  readonly name: string;
  readonly directory: string;
  readonly fillsLedgers: boolean;
}

export interface CallCost {
  readonly concurrency: number;
  readonly requests: number;
  /** Alarms, and news of answers that travelled alone. */
  readonly backgroundRequests: number;
  readonly rowsWritten: number;
  /** Null when the log started anew during every look. */
  readonly commits: number | null;
}

export interface SizeReport {
  readonly sizes: readonly [number, number];
  /** Microseconds per claim inside the object, at each size. */
  readonly claimUs: readonly [number, number];
  readonly claimRatio: number;
  /** Paid calls per second, large over small. */
  readonly paidRatio: number;
}

export interface MediumReport {
  readonly medium: Medium;
  readonly paid: readonly (Comparison & { readonly concurrency: number })[];
  readonly unpaid: Comparison;
  /** Measured on the first medium only: none of it is stored. */
  readonly garbage: readonly GarbageCost[];
  readonly replay: Summary;
  readonly slow: Comparison;
  /** The same when every connection sends its first request in the same millisecond. */
  readonly slowAtOnce: Comparison;
  /** The same for a handler that takes `DELAY_MS`, alongside verify at the gateway. */
  readonly alongside: Comparison;
  readonly costs: readonly CallCost[];
  /** Measured on the first medium only: filling a ledger takes longer than all else. */
  readonly size: SizeReport | null;
}

export async function measureMedium(
  medium: Medium,
  plan: Plan,
  payloads: readonly SignedPayload[],
  facilitator: FacilitatorProcess,
  progress: (line: string) => void,
): Promise<MediumReport> {
  const runtime = await startRuntime(medium.directory, facilitator.url);
  const say = (what: string) => {
    progress(`${medium.name}: ${what}`);
  };
  try {
    const gateway = await runtime.gateway("bench-paid");
    const requests = await paidRequests(gateway, payloads);
    const ours = payingOnce(gateway, requests);
    const reference = await payingAgain(runtime.reference, payloads);
    say("warming up");
    const warmUp = { concurrency: CONCURRENCY, roundMsMax: 10_000 };
    await oneRound(ours, { ...warmUp, callsPerRound: plan.warmUpCalls });
    await oneRound(reference, { ...warmUp, callsPerRound: plan.warmUpCalls });
    const rounds = { rounds: plan.rounds, roundMsMax: plan.roundMsMax };
    const paid = [];
    for (const concurrency of CONCURRENCIES) {
      say(`paid calls, ${concurrency} at a time`);
      const shape = { ...rounds, concurrency, callsPerRound: plan.paidCallsPerRound };
      paid.push({ concurrency, ...(await compare(ours, reference, shape)) });
    }
    say("answers to unpaid calls, and to payments sent again");
    const unpaid = await compare(asking(gateway), asking(runtime.reference), {
      ...rounds,
      concurrency: CONCURRENCY,
      callsPerRound: plan.unpaidCallsPerRound,
    });
    const garbage = medium.fillsLedgers
      ? await measureGarbage(gateway, payloads, {
          ...rounds,
          concurrency: CONCURRENCY,
          callsPerRound: plan.unpaidCallsPerRound,
        })
      : [];
    const replay = await measureReplay(gateway, requests, plan);
    say("paid calls at a slow facilitator");
    await facilitator.setLatency(SLOW_FACILITATOR);
    const atOnce = {
      rounds: plan.rounds,
      roundMsMax: plan.slowRoundMsMax,
      concurrency: CONCURRENCY,
      callsPerRound: plan.slowCallsPerRound,
    };
    const spread = { ...atOnce, startSpreadMs: SLOW_SPREAD_MS };
    const slow = await compare(ours, reference, spread);
    const slowAtOnce = await compare(ours, reference, atOnce);
    const alongside = await compareDelayed(runtime, payloads, spread);
    await facilitator.setLatency(FAST_FACILITATOR);
    say("what a call costs the ledger");
    const costs = [];
    for (const concurrency of CONCURRENCIES) {
      costs.push(await measureCost(runtime, payloads, concurrency));
    }
    const size = medium.fillsLedgers ? await measureSizes(runtime, payloads, plan, say) : null;
    return { medium, paid, unpaid, garbage, replay, slow, slowAtOnce, alongside, costs, size };
  } finally {
    await runtime.stop();
  }
}

async function compareDelayed(
  runtime: BenchRuntime,
  payloads: readonly SignedPayload[],
  rounds: Rounds,
): Promise<Comparison> {
  const tenant = await runtime.gateway("bench-alongside");
  const gateway = { ...tenant, path: tenant.path.replace(ROUTE_PATH, DELAYED_PATH) };
  const ours = payingOnce(gateway, await paidRequests(gateway, payloads));
  return await compare(
    ours,
    await payingAgain({ ...runtime.reference, path: DELAYED_PATH }, payloads),
    rounds,
  );
}

/** Each payment once, as they were signed. */
function payingOnce({ port }: Target, requests: readonly Buffer[]): Contender {
  const queue = requests.values();
  return {
    port,
    nextRequest: () => queue.next().value ?? null,
    expected: "Payment-Status: settled",
  };
}

/** The reference remembers nothing, so a payment is as good the second time. */
async function payingAgain(target: Target, payloads: readonly SignedPayload[]): Promise<Contender> {
  const requests = await paidRequests(target, payloads);
  return { port: target.port, nextRequest: inTurns(requests), expected: "HTTP/1.1 200" };
}

function asking(target: Target): Contender {
  const request = unpaidRequest(target);
  return { port: target.port, nextRequest: () => request, expected: "HTTP/1.1 402" };
}

function inTurns(requests: readonly Buffer[]): () => Buffer | null {
  let index = 0;
  return () => {
    index += 1;
    return requests[index % requests.length] ?? null;
  };
}

/** Sends payments again that the warm-up has paid. */
async function measureReplay(
  { port }: Target,
  requests: readonly Buffer[],
  plan: Plan,
): Promise<Summary> {
  const replaying: Contender = {
    port,
    nextRequest: inTurns(requests.slice(0, plan.warmUpCalls / 4)),
    expected: "Idempotent-Replayed: true",
  };
  const results: LoopResult[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    results.push(
      await oneRound(replaying, {
        concurrency: CONCURRENCY,
        callsPerRound: plan.unpaidCallsPerRound,
        roundMsMax: plan.roundMsMax,
      }),
    );
  }
  return summaryOf(results);
}

async function measureCost(
  runtime: BenchRuntime,
  payloads: readonly SignedPayload[],
  concurrency: number,
): Promise<CallCost> {
  const tenant = `bench-cost-${concurrency}`;
  const gateway = await runtime.gateway(tenant);
  const ours = payingOnce(gateway, await paidRequests(gateway, payloads));
  const shape = {
    concurrency,
    callsPerRound: Math.max(WAL_BATCH_CALLS, concurrency),
    roundMsMax: 10_000,
  };
  await oneRound(ours, shape);
  const before = await runtime.ledger(tenant, "counters");
  const walPath = runtime.walPath(before.objectId);
  let calls = 0;
  let commits = 0;
  let callsOfCommits = 0;
  for (let batch = 0; batch < WAL_BATCHES; batch += 1) {
    const start = walPosition(walPath);
    const result = await oneRound(ours, shape);
    const end = walPosition(walPath);
    calls += result.calls;
    if (start.generation !== end.generation) continue;
    commits += end.commits - start.commits;
    callsOfCommits += result.calls;
  }
  const after = await runtime.ledger(tenant, "counters");
  return {
    concurrency,
    requests: (after.requests - before.requests) / calls,
    backgroundRequests: (after.background - before.background) / calls,
    rowsWritten: (after.rowsWritten - before.rowsWritten) / calls,
    commits: callsOfCommits === 0 ? null : commits / callsOfCommits,
  };
}

/** The same work in a small and in a large ledger, in turns. */
async function measureSizes(
  runtime: BenchRuntime,
  payloads: readonly SignedPayload[],
  plan: Plan,
  say: (what: string) => void,
): Promise<SizeReport> {
  const [small, large] = plan.ledgerSizes;
  const tenants = { small: "bench-small", large: "bench-large" };
  say(`filling ledgers with ${small} and ${large} payments`);
  await fill(runtime, tenants.small, small);
  await fill(runtime, tenants.large, large);
  say("claims and paid calls in a small and in a large ledger");
  const claims: { small: number; large: number }[] = [];
  for (let round = 0; round < plan.rounds; round += 1) {
    claims.push({
      small: await claimUs(runtime, tenants.small, plan.claimsPerRound),
      large: await claimUs(runtime, tenants.large, plan.claimsPerRound),
    });
  }
  const contender = async (tenant: string) => {
    const gateway = await runtime.gateway(tenant);
    return payingOnce(gateway, await paidRequests(gateway, payloads));
  };
  const paid = await compare(await contender(tenants.large), await contender(tenants.small), {
    concurrency: CONCURRENCY,
    rounds: plan.rounds,
    callsPerRound: plan.paidCallsPerRound,
    roundMsMax: plan.roundMsMax,
  });
  return {
    sizes: plan.ledgerSizes,
    claimUs: [median(claims.map((each) => each.small)), median(claims.map((each) => each.large))],
    claimRatio: median(claims.map((each) => each.large / each.small)),
    paidRatio: paid.rateRatio,
  };
}

async function fill(runtime: BenchRuntime, tenant: string, size: number): Promise<void> {
  for (let from = 0; from < size; from += FILL_BATCH) {
    await runtime.ledger(tenant, "fill", { from, count: Math.min(FILL_BATCH, size - from) });
  }
}

async function claimUs(runtime: BenchRuntime, tenant: string, count: number): Promise<number> {
  const startedAt = performance.now();
  await runtime.ledger(tenant, "claims", { count });
  return ((performance.now() - startedAt) * 1_000) / count;
}
