import type { FacilitatorHealthClient } from "../../durable-objects/facilitator-health/client.ts";
import { FairShares } from "./fair-shares.ts";
import {
  BATCH_OUTCOMES_MAX,
  type BreakerStanding,
  type CallOutcome,
  type ObservedCall,
  type RoutingHealth,
} from "./health-messages.ts";
import type { Operation } from "./health-signal.ts";
import type { ListedKind } from "./payment-kind.ts";
import type { FacilitatorId } from "./port.ts";
import { type HeldProbe, ProbeLeases } from "./probe-leases.ts";
import { RecentCalls } from "./recent-calls.ts";

/** Keeps work alive after the answer was sent: an ExecutionContext, or the state of a Durable Object. */
export interface BackgroundContext {
  waitUntil(promise: Promise<unknown>): void;
}

export interface HealthCacheOptions {
  readonly client: FacilitatorHealthClient;
  /** Random name of this isolate. */
  readonly instanceId: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  readonly sleep?: (durationMs: number) => Promise<void>;
}

/** Age from which the copy is refreshed, and least time between two batches of one isolate. */
const REFRESH_MS = 1_000;
/** A copy older than this is none: what it says must not latch anything when the shared health can't be reached. */
const COPY_AGE_MS_MAX = 60_000;
/** What a cold isolate waits for its first copy; without one, every breaker counts as closed. */
const FIRST_COPY_WAIT_MS = 300;
/** A synchronisation that takes longer was lost with the request that ran it; calls wait for no other one so soon. */
const SYNC_LOST_MS = 5_000;
/** Batches one request sends for the others, before it lets the next one take over. */
const SYNC_ROUNDS_MAX = 5;
/** Without a copy. No breaker has this epoch, so what calls report under it moves none. */
const UNKNOWN_STANDING: BreakerStanding = {
  state: "closed",
  epoch: -1,
  isProbing: false,
  rateLimitedUntilMs: 0,
};

/**
 * An isolate's copy of the shared health, and its reports to it. Reading never waits when there is a copy: it is
 * refreshed behind the requests, in the same exchange that hands in what they saw. Reports that are lost are lost.
 *
 * Requests share this object and its plain data, never a promise: one that belongs to another request would end with
 * it (workerd binds I/O to the request that started it).
 */
export class HealthCache {
  readonly recentCalls = new RecentCalls();
  readonly #client: FacilitatorHealthClient;
  readonly #instanceId: string;
  readonly #now: () => number;
  readonly #sleep: (durationMs: number) => Promise<void>;
  readonly #leases = new ProbeLeases();
  readonly #shares = new Map<FacilitatorId, FairShares>();
  #copy: RoutingHealth | null = null;
  #copiedAtMs = Number.NEGATIVE_INFINITY;
  /** Oldest first. */
  #unsent: { readonly call: ObservedCall; readonly endedAtMs: number }[] = [];
  #sequence = 0;
  #syncedAtMs = Number.NEGATIVE_INFINITY;
  /** Until then somebody synchronises; in the past when nobody does. */
  #syncingUntilMs = Number.NEGATIVE_INFINITY;
  #waitedInVainAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: HealthCacheOptions) {
    this.#client = options.client;
    this.#instanceId = options.instanceId;
    this.#now = options.now ?? (() => Date.now());
    this.#sleep = options.sleep ?? sleep;
  }

  /**
   * Resolves when there is something to route by: at once, except for the first calls of an isolate. Where those wait
   * in vain, the calls after them do not.
   */
  async ready(context: BackgroundContext): Promise<void> {
    const hasJustWaited = this.#now() - this.#waitedInVainAtMs < SYNC_LOST_MS;
    if (this.#hasCopy() || hasJustWaited) {
      this.refresh(context);
      return;
    }
    const exchange = this.#exchange();
    context.waitUntil(exchange);
    await Promise.race([exchange, this.#sleep(FIRST_COPY_WAIT_MS)]);
    if (!this.#hasCopy()) this.#waitedInVainAtMs = this.#now();
  }

  /** Starts a refresh behind the request when the copy is old. */
  refresh(context: BackgroundContext): void {
    if (this.#now() - this.#syncedAtMs >= REFRESH_MS) this.#sync(context);
  }

  standing(facilitatorId: FacilitatorId, operation: Operation): BreakerStanding {
    const last = this.#copy?.facilitators[facilitatorId]?.[operation] ?? UNKNOWN_STANDING;
    // Only the operator's word outlives the copy it came in.
    const shared = this.#hasCopy() || last.state === "forced_open" ? last : UNKNOWN_STANDING;
    const ownLimitMs = this.recentCalls.rateLimitedUntilMs(facilitatorId, operation);
    return ownLimitMs > shared.rateLimitedUntilMs
      ? { ...shared, rateLimitedUntilMs: ownLimitMs }
      : shared;
  }

  /** What a facilitator lists, as last heard; null when it was never heard. */
  kinds(facilitatorId: FacilitatorId): readonly ListedKind[] | null {
    return this.#copy?.facilitators[facilitatorId]?.kinds ?? null;
  }

  /** The x402 extensions that a facilitator lists, as last heard. */
  extensions(facilitatorId: FacilitatorId): readonly string[] {
    return this.#copy?.facilitators[facilitatorId]?.extensions ?? [];
  }

  /** The 95th percentile of its verifications over all edges, milliseconds; null when nobody has asked it lately. */
  verifyP95Ms(facilitatorId: FacilitatorId): number | null {
    return this.#copy?.facilitators[facilitatorId]?.verifyP95Ms ?? null;
  }

  /** Notes how a call ended, and sends it on behind the request. */
  record(call: ObservedCall, context: BackgroundContext): void {
    const endedAtMs = this.#now();
    this.recentCalls.record(call, endedAtMs);
    if (call.signal === "rate_limited") this.#sharesOf(call.facilitatorId).limited(endedAtMs);
    this.#unsent.push({ call, endedAtMs });
    if (this.#unsent.length > BATCH_OUTCOMES_MAX) this.#unsent.shift();
    this.#sync(context);
  }

  /** Whether a tenant's call is within its share of a facilitator that limits us; counts it when it is. */
  admit(facilitatorId: FacilitatorId, tenantId: string): boolean {
    return this.#sharesOf(facilitatorId).admit(tenantId, this.#now());
  }

  /** Whether a call that is planned now could make the probe. */
  isProbeFree(facilitatorId: FacilitatorId, operation: Operation): boolean {
    return this.#leases.isFree(facilitatorId, operation, this.#now());
  }

  /** Keeps the probe for the call that was planned with it. */
  promiseProbe(facilitatorId: FacilitatorId, operation: Operation): void {
    this.#leases.promise(facilitatorId, operation, this.#now());
  }

  /** Uses up the right to probe; null when this isolate does not hold it. */
  takeProbe(facilitatorId: FacilitatorId, operation: Operation): HeldProbe | null {
    return this.#leases.take(facilitatorId, operation, this.#now());
  }

  /** Asks for the right to probe, unless that was done already. Resolves when `isProbeFree` knows the answer. */
  async requestProbe(facilitatorId: FacilitatorId, operation: Operation): Promise<void> {
    if (!this.#leases.request(facilitatorId, operation, this.#now())) return;
    let held: HeldProbe | null = null;
    const requestedAtMs = this.#now();
    try {
      const reply = await this.#client.requestProbe(facilitatorId, operation);
      if (reply.result === "granted") {
        const { probeId, epoch, startWithinMs } = reply;
        held = { probeId, epoch, expiresAtMs: requestedAtMs + startWithinMs };
      }
    } catch {
      // As good as denied: the next call asks again.
    }
    this.#leases.answered(facilitatorId, operation, held);
  }

  #sharesOf(facilitatorId: FacilitatorId): FairShares {
    let shares = this.#shares.get(facilitatorId);
    if (shares === undefined) {
      shares = new FairShares();
      this.#shares.set(facilitatorId, shares);
    }
    return shares;
  }

  #hasCopy(): boolean {
    return this.#now() - this.#copiedAtMs < COPY_AGE_MS_MAX;
  }

  /** One synchronisation at a time, and at most one per `REFRESH_MS`; whoever asks meanwhile is served by it. */
  #sync(context: BackgroundContext): void {
    const nowMs = this.#now();
    if (nowMs < this.#syncingUntilMs) return;
    const delayMs = Math.max(0, this.#syncedAtMs + REFRESH_MS - nowMs);
    this.#syncingUntilMs = nowMs + delayMs + SYNC_LOST_MS;
    context.waitUntil(this.#runSync(delayMs));
  }

  async #runSync(firstDelayMs: number): Promise<void> {
    let delayMs = firstDelayMs;
    for (let round = 0; round < SYNC_ROUNDS_MAX; round += 1) {
      this.#syncingUntilMs = this.#now() + delayMs + SYNC_LOST_MS;
      if (delayMs > 0) await this.#sleep(delayMs);
      await this.#exchange();
      if (this.#unsent.length === 0) break;
      delayMs = REFRESH_MS;
    }
    this.#syncingUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Never rejects. */
  async #exchange(): Promise<void> {
    const calls = this.#unsent;
    this.#unsent = [];
    this.#sequence += 1;
    const sentAtMs = this.#now();
    const outcomes = calls.map(({ call, endedAtMs }): CallOutcome => ({
      ...call,
      ageMs: sentAtMs - endedAtMs,
    }));
    try {
      this.#copy = await this.#client.report({
        instanceId: this.#instanceId,
        sequence: this.#sequence,
        outcomes,
      });
      this.#copiedAtMs = this.#now();
    } catch {
      // Advice is missing for a second; the copy stays.
    }
    this.#syncedAtMs = this.#now();
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}
