/** What routing between facilitators costs while all are well, and what it saves when the first one hangs. */
import { tmpdir } from "node:os";
import type { FacilitatorConfig } from "../../src/config.ts";
import { HealthCache } from "../../src/facilitator/health-cache.ts";
import { initialHealth } from "../../src/facilitator/health-state.ts";
import { healthView, routingHealth } from "../../src/facilitator/health-view.ts";
import { postSettle, postVerify } from "../../src/facilitator/http-facilitator.ts";
import { RoutedFacilitators } from "../../src/facilitator/routed-facilitators.ts";
import { closedLoop } from "./closed-loop.ts";
import { type Contender, type Summary, median, oneRound, summaryOf } from "./compare.ts";
import type { FacilitatorLatency } from "./facilitator.ts";
import { startFacilitatorProcess } from "./facilitator-process.ts";
import { NETWORK, PRICE_ATOMIC } from "./offer.ts";
import { type SignedPayload, paidRequests } from "./payments.ts";
import { type Target, startRuntime } from "./runtime.ts";

const HEALTHY: FacilitatorLatency = { verifyMs: 50, settleMs: 50 };
/** Longer than anybody waits. */
const HANGING: FacilitatorLatency = { verifyMs: 600_000, settleMs: 600_000 };

const CONCURRENCY = 8;
const WARM_UP_CALLS = 100;
const HEALTHY_CALLS = 200;
/** Long enough for the calls that met the outage first to be a small part of all. */
const OUTAGE_MS = 20_000;

export interface FacilitatorsReport {
  /** Microseconds that choosing, noting and reporting add to a verification and a settlement together. */
  readonly routingUs: number;
  readonly healthy: Summary;
  readonly outage: { readonly ours: Outage; readonly reference: Outage };
}

/** The first seconds of an outage, from a caller's side. */
export interface Outage extends Summary {
  /** Calls that were answered. */
  readonly calls: number;
  readonly served: boolean;
}

export async function measureFacilitators(
  payloads: readonly SignedPayload[],
  progress: (line: string) => void,
): Promise<FacilitatorsReport> {
  progress("routing alone");
  const routingUs = await measureRouting();
  const primary = await startFacilitatorProcess();
  const fallback = await startFacilitatorProcess();
  const runtime = await startRuntime(tmpdir(), primary.url, { fallbackUrl: fallback.url });
  try {
    await Promise.all([primary.setLatency(HEALTHY), fallback.setLatency(HEALTHY)]);
    const gateway = await runtime.gateway("bench-routed");
    const ours = payingOnce(gateway, await paidRequests(gateway, payloads));
    const reference = payingOnce(
      runtime.reference,
      await paidRequests(runtime.reference, payloads),
      "HTTP/1.1 200",
    );
    const shape = { concurrency: CONCURRENCY, roundMsMax: 30_000 };
    for (const each of [ours, reference]) {
      await oneRound(each, { ...shape, callsPerRound: WARM_UP_CALLS });
    }
    progress("paid calls while all facilitators are well");
    const healthy = summaryOf([await oneRound(ours, { ...shape, callsPerRound: HEALTHY_CALLS })]);
    progress("paid calls while the first one hangs");
    await primary.setLatency(HANGING);
    const outage = {
      ours: { ...(await measureOutage(ours)), served: true },
      // Its answers are errors, which a closed loop of paid calls would end at.
      reference: {
        ...(await measureOutage({ ...reference, expected: "HTTP/1.1 " })),
        served: await isServed(reference),
      },
    };
    return { routingUs, healthy, outage };
  } finally {
    await runtime.stop();
    primary.stop();
    fallback.stop();
  }
}

async function measureOutage({ port, nextRequest, expected }: Contender) {
  const result = await closedLoop({
    port,
    nextRequest,
    expected,
    concurrency: CONCURRENCY,
    durationMs: OUTAGE_MS,
  });
  return { ...summaryOf([result]), calls: result.calls };
}

async function isServed(contender: Contender): Promise<boolean> {
  const shape = { concurrency: 1, callsPerRound: 1, roundMsMax: OUTAGE_MS };
  return await oneRound(contender, shape).then(
    () => true,
    () => false,
  );
}

function payingOnce(
  { port }: Target,
  requests: readonly Buffer[],
  expected = "Payment-Status: settled",
): Contender {
  const queue = requests.values();
  return { port, nextRequest: () => queue.next().value ?? null, expected };
}

const PAYER = `0x${"11".repeat(20)}`;
const PAYMENT = {
  x402Version: 2,
  paymentPayload: { payload: { authorization: { from: PAYER } } },
  paymentRequirements: {},
} as const;
const KIND = { x402Version: 2, scheme: "exact", network: NETWORK } as const;
const EXPECTED = { network: NETWORK, payer: PAYER, amountAtomic: BigInt(PRICE_ATOMIC) };
const ROUTING_ROUNDS = 15;
const ROUTING_CALLS = 1_000;

/** The same calls through the router and without it, in turns, to facilitators that answer at once. */
async function measureRouting(): Promise<number> {
  const facilitators = ["primary", "fallback"].map((id): FacilitatorConfig => ({
    id,
    url: `https://${id}.example`,
    auth: { type: "none" },
    timeouts: { verifyMs: 5_000, settleMs: 20_000, supportedMs: 5_000 },
  }));
  const [first] = facilitators;
  if (first === undefined) throw new Error("no facilitator");
  const settled = { success: true, transaction: `0x${"ab".repeat(32)}`, network: NETWORK };
  const fetch = async () => Response.json({ isValid: true, payer: PAYER, ...settled });
  const health = initialHealth(facilitators, Date.now());
  const cache = new HealthCache({
    instanceId: "bench",
    client: {
      report: async () => routingHealth(health, Date.now()),
      requestProbe: async () => ({ result: "denied" }),
      view: async () => healthView(health, Date.now()),
      force: async () => ({ result: "unknown_facilitator" }),
    },
  });
  const context = { waitUntil: () => {} };
  const routed = async () => {
    const router = new RoutedFacilitators({ facilitators, cache, context, fetch });
    await router.verify(PAYMENT, { kind: KIND, signatureProved: true, tenantId: "bench" });
    router.candidatesForSettle(KIND, null, "bench");
    await router.settle(first.id, PAYMENT, EXPECTED);
  };
  const direct = async () => {
    await postVerify(first, PAYMENT, { fetch });
    await postSettle(first, PAYMENT, EXPECTED, { fetch });
  };
  const differences: number[] = [];
  for (let round = 0; round < ROUTING_ROUNDS; round += 1) {
    differences.push((await microsecondsOf(routed)) - (await microsecondsOf(direct)));
  }
  return median(differences);
}

async function microsecondsOf(call: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  for (let count = 0; count < ROUTING_CALLS; count += 1) await call();
  return ((performance.now() - startedAt) * 1_000) / ROUTING_CALLS;
}
