import type { FacilitatorHealthClient } from "../../durable-objects/facilitator-health/client.ts";
import type { FacilitatorConfig } from "../../src/config.ts";
import { HealthCache } from "../../src/facilitator/health-cache.ts";
import {
  type HealthState,
  applyBatch,
  forceFacilitator,
  grantProbe,
  initialHealth,
} from "../../src/facilitator/health-state.ts";
import { healthView, routingHealth } from "../../src/facilitator/health-view.ts";
import type { Fetch } from "../../src/facilitator/http-exchange.ts";
import type { PaymentKind } from "../../src/facilitator/payment-kind.ts";
import { RoutedFacilitators } from "../../src/facilitator/routed-facilitators.ts";
import type { WirePayment } from "../../src/payment/wire.ts";

/*
 * The gateway with the real shared health behind it (its pure state, without the object around it) and facilitators
 * whose faults can be switched. The clock is the test's: nothing here waits for it, except a hanging facilitator.
 */
export const PAYER = "0x857b06519e91e3a54538791bdbb0e22373e36b66";
const HASH = `0x${"ab".repeat(32)}`;
const NETWORK = "eip155:84532";
export const KIND: PaymentKind = { x402Version: 2, scheme: "exact", network: NETWORK };
export const EXPECTED = { network: NETWORK, payer: PAYER, amountAtomic: 10_000n };
export const PAYMENT: WirePayment = {
  x402Version: 2,
  paymentPayload: { payload: { authorization: { from: PAYER } } },
  paymentRequirements: {},
};
/** Real time, unlike the rest: far more than an answer takes, and short enough to be waited for. */
export const VERIFY_MS = 1_000;

export const CONFIGS = ["primary", "fallback"].map((id): FacilitatorConfig => ({
  id,
  url: `https://${id}.example`,
  auth: { type: "none" },
  timeouts: { verifyMs: VERIFY_MS, settleMs: VERIFY_MS, supportedMs: VERIFY_MS },
}));

/** What a paid call passes on about its payment. */
export const REQUEST = { kind: KIND, signatureProved: true };

type Endpoint = "verify" | "settle" | "supported";
type Behaviour = "up" | "refused" | "hanging" | { status: number; body: unknown; headers?: object };

/** Facilitators in memory: what each endpoint does, and how often it was called. */
export class FacilitatorWorld {
  nowMs = 1_800_000_000_000;
  health: HealthState = initialHealth(CONFIGS, this.nowMs);
  isHealthReachable = true;
  readonly calls: string[] = [];
  readonly batches: number[] = [];
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #background: Promise<unknown>[] = [];

  set(facilitatorId: string, endpoint: Endpoint | "all", behaviour: Behaviour): void {
    const endpoints: Endpoint[] =
      endpoint === "all" ? ["verify", "settle", "supported"] : [endpoint];
    for (const each of endpoints) this.#behaviours.set(`${facilitatorId}/${each}`, behaviour);
  }

  /** A gateway of an edge of its own. */
  edge(
    instanceId: string,
    facilitators: readonly FacilitatorConfig[] = CONFIGS,
    random: () => number = () => 0.5,
  ): RoutedFacilitators {
    const now = () => this.nowMs;
    const cache = new HealthCache({ client: this.#client(), instanceId, now, sleep: nextTurn });
    const context = {
      waitUntil: (promise: Promise<unknown>) => void this.#background.push(promise),
    };
    return new RoutedFacilitators({
      facilitators,
      cache,
      context,
      now,
      random,
      fetch: (url, init) => this.#fetch(url, init),
    });
  }

  /** Lets time pass, and what runs behind the calls come to its end. */
  async pass(ms: number): Promise<void> {
    await this.#settleBackground();
    this.nowMs += ms;
  }

  async #settleBackground(): Promise<void> {
    while (this.#background.length > 0) await Promise.all(this.#background.splice(0));
  }

  /** Calls of an endpoint since the last question. */
  taken(): string[] {
    return this.calls.splice(0);
  }

  state(facilitatorId: string, operation: "verify" | "settle"): string | undefined {
    const view = healthView(this.health, this.nowMs);
    return view.facilitators.find(({ id }) => id === facilitatorId)?.[operation].state;
  }

  #client(): FacilitatorHealthClient {
    const context = () => ({ nowMs: this.nowMs, random: 0.5 });
    let probes = 0;
    return {
      report: async (batch) => {
        if (!this.isHealthReachable) throw new Error("object unreachable");
        this.batches.push(batch.outcomes.length);
        this.health = applyBatch(this.health, batch, CONFIGS, context());
        return routingHealth(this.health, this.nowMs);
      },
      requestProbe: async (facilitatorId, operation) => {
        const config = CONFIGS.find(({ id }) => id === facilitatorId);
        const probeId = `probe-${(probes += 1)}`;
        const granted =
          config === undefined
            ? null
            : grantProbe(this.health, config, operation, probeId, this.nowMs);
        if (granted === null) return { result: "denied" };
        this.health = granted.state;
        const { epoch, startWithinMs } = granted;
        return { result: "granted", probeId, epoch, startWithinMs };
      },
      view: async () => healthView(this.health, this.nowMs),
      force: async (facilitatorId, state, reason) => {
        const decision = { state, reason };
        this.health = forceFacilitator(this.health, facilitatorId, decision, this.nowMs);
        return { result: "done" };
      },
    };
  }

  async #fetch(...[url, { signal }]: Parameters<Fetch>): Promise<Response> {
    const { hostname, pathname } = new URL(url);
    const key = `${hostname.replace(".example", "")}${pathname}`;
    this.calls.push(key);
    const behaviour = this.#behaviours.get(key) ?? "up";
    if (behaviour === "refused") throw new Error("Network connection lost.");
    if (behaviour === "hanging") {
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(new Error("timeout")));
      });
    }
    if (behaviour === "up") {
      const settled = { success: true, transaction: HASH, network: NETWORK };
      return Response.json({ isValid: true, payer: PAYER, ...settled });
    }
    const { status, body, headers } = behaviour;
    return Response.json(body, { status, headers: { ...headers } });
  }
}

/** The waits of the health cache take no time here, only a turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** What a paid call does: verify, then settle at the best candidate. */
export async function pay(edge: RoutedFacilitators): Promise<string> {
  const { outcome, facilitatorId } = await edge.verify(PAYMENT, REQUEST);
  if (outcome.class !== "valid") return outcome.class;
  const [first = facilitatorId] = edge.candidatesForSettle(KIND, null).facilitatorIds;
  const settled = await edge.settle(first, PAYMENT, EXPECTED);
  return `${settled.class} by ${first}`;
}
