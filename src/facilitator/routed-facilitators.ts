import type { FacilitatorConfig } from "../config.ts";
import type { WirePayment } from "../payment/wire.ts";
import type { SettleOutcome, UnavailableOutcome, VerifyOutcome } from "../settlement/outcome.ts";
import type { VerifyReading } from "./classify.ts";
import { hedged } from "./hedge.ts";
import { type Opinion, Opinions } from "./opinions.ts";
import type { BackgroundContext, HealthCache } from "./health-cache.ts";
import { type HealthSignal, type Operation, isFailure } from "./health-signal.ts";
import type { Fetch } from "./http-exchange.ts";
import { postSettle, postVerify } from "./http-facilitator.ts";
import type { PaymentKind, RequestedKind } from "./payment-kind.ts";
import type {
  ExpectedTransfer,
  FacilitatorGateway,
  FacilitatorId,
  QuotedFacilitator,
  SettleCandidates,
  VerifyRequest,
  VerifyResult,
} from "./port.ts";
import {
  type RoutableFacilitator,
  type RoutePlan,
  chooseForQuote,
  illOf,
  orderFor,
  planRoute,
} from "./routing.ts";
import { isReachable } from "./supported.ts";

export interface RoutedFacilitatorsOptions {
  /** In order of preference, at least one. */
  readonly facilitators: readonly FacilitatorConfig[];
  readonly cache: HealthCache;
  readonly context: BackgroundContext;
  readonly fetch?: Fetch | undefined;
  readonly now?: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/** A call that is under way, and under what it was admitted. */
interface StartedCall {
  readonly facilitatorId: FacilitatorId;
  readonly operation: Operation;
  readonly epoch: number;
  readonly probeId: string | null;
  readonly startedAtMs: number;
}

/** The verification of one payment, by whoever is left to ask. */
interface Inquiry {
  readonly payment: WirePayment;
  readonly tenantId: string;
  readonly deadlineMs: number;
  readonly plan: RoutePlan;
  /** Verifies the same payment at one that rests, if anybody may; null when nobody does. */
  readonly probe: VerifyProbe | null;
}

interface VerifyProbe {
  readonly facilitatorId: FacilitatorId;
  /** Null when somebody else probes it. */
  readonly opinion: Promise<Opinion | null>;
}

/** All attempts to verify one payment together. */
const VERIFY_DEADLINE_MS = 10_000;
/** Less time than this is not worth an attempt. */
const ATTEMPT_MS_MIN = 250;
/** Part of the time that is left for an attempt when another facilitator could be asked after it. */
const ATTEMPT_SHARE = 0.6;
/** A facilitator that was given less time by our own deadline did not time out. */
const TIMEOUT_MS_FAIR = 2_000;

/** A second call for less than this gains nothing that a person or a program would notice. */
const HEDGE_MS_MIN = 50;

/** Shares are per second: a tenant that used its own up has another one then. */
const SHARE_RETRY_MS = 1_000;

/** Routes calls by the shared health, and reports how they went. The only loop here is verify's failover. */
export class RoutedFacilitators implements FacilitatorGateway {
  readonly #facilitators: readonly FacilitatorConfig[];
  readonly #cache: HealthCache;
  readonly #context: BackgroundContext;
  readonly #fetch: Fetch | undefined;
  readonly #now: () => number;
  readonly #random: () => number;
  /** Not asked because they seemed ill, or asked in vain, when the last payment was verified. */
  #passedOver = new Set<FacilitatorId>();

  constructor(options: RoutedFacilitatorsOptions) {
    this.#facilitators = options.facilitators;
    this.#cache = options.cache;
    this.#context = options.context;
    this.#fetch = options.fetch;
    this.#now = options.now ?? (() => Date.now());
    this.#random = options.random ?? (() => Math.random());
  }

  async verify(payment: WirePayment, request: VerifyRequest): Promise<VerifyResult> {
    const result = await this.#verifyAnywhere(payment, request);
    if (result.outcome.class === "valid") this.#passedOver.delete(result.facilitatorId);
    return result;
  }

  async #verifyAnywhere(payment: WirePayment, request: VerifyRequest): Promise<VerifyResult> {
    const deadlineMs = request.deadlineMs ?? this.#now() + VERIFY_DEADLINE_MS;
    await this.#cache.ready(this.#context);
    const { kind, tenantId = "", boundFacilitatorId: boundTo = null } = request;
    const plan = this.#plan("verify", kind, boundTo, tenantId);
    this.#passedOver = new Set(illOf(plan));
    const probe = this.#probeVerify(plan, payment);
    this.#prepareSettleProbe(this.#plan("settle", kind, boundTo, tenantId), tenantId);
    const opinions = new Opinions(request.signatureProved);
    const inquiry = { payment, tenantId, deadlineMs, plan, probe };
    const isConclusive = (opinion: Opinion) => opinions.isFinal(opinion);
    for await (const opinion of this.#inquire(inquiry, isConclusive)) {
      if (opinions.isFinal(opinion)) {
        this.#recordContradiction(opinions.contradicts(opinion));
        return { outcome: opinion.outcome, facilitatorId: opinion.facilitatorId };
      }
      opinions.keep(opinion);
    }
    if (!opinions.hasRejection) {
      // Nobody who is well could be asked: those who are ill are better than nobody.
      for await (const opinion of this.#askResting(inquiry)) {
        const { outcome, facilitatorId } = opinion;
        if (outcome.class !== "unavailable") return { outcome, facilitatorId };
        opinions.keep(opinion);
      }
    }
    return opinions.best() ?? this.#nobody();
  }

  candidatesForSettle(
    kind: RequestedKind,
    boundFacilitatorId: FacilitatorId | null,
    tenantId = "",
  ): SettleCandidates {
    this.#cache.refresh(this.#context);
    const plan = this.#plan("settle", kind, boundFacilitatorId, tenantId, { mayProbe: true });
    this.#prepareSettleProbe(plan, tenantId);
    const [first] = plan.candidates;
    if (first !== undefined) this.#cache.promiseProbe(first.facilitatorId, "settle");
    return {
      facilitatorIds: plan.candidates.map(({ facilitatorId }) => facilitatorId),
      lastResortIds: plan.resting.map(({ facilitatorId }) => facilitatorId),
    };
  }

  async facilitatorForQuote(kind: PaymentKind, tenantId = ""): Promise<QuotedFacilitator | null> {
    await this.#cache.ready(this.#context);
    const ordered = orderFor(this.#facilitators, tenantId);
    const plans = (["verify", "settle"] as const).map((operation) =>
      this.#plan(operation, kind, null, tenantId),
    );
    return chooseForQuote(
      plans,
      ordered.map(({ id }) => ({ id, kinds: this.#cache.kinds(id) ?? [] })),
      kind,
      this.#random(),
    );
  }

  async settle(
    facilitatorId: FacilitatorId,
    payment: WirePayment,
    expected: ExpectedTransfer,
  ): Promise<SettleOutcome> {
    const config = this.#configOf(facilitatorId);
    if (config === undefined) return notSent("not_configured");
    if (this.#cache.standing(facilitatorId, "settle").state === "forced_open") {
      return notSent("held_open");
    }
    const limitedMs = this.#rateLimitedMs(facilitatorId, "settle");
    if (limitedMs > 0) return notSent("rate_limited", limitedMs);
    const probe = this.#cache.takeProbe(facilitatorId, "settle");
    const call = this.#start(facilitatorId, "settle", probe);
    const isHeard = this.#cache.recentCalls.hasAnswered(facilitatorId, call.startedAtMs);
    if (!isHeard && !(await isReachable(config, { fetch: this.#fetch }))) {
      const outcome = notSent("facilitator_unreachable");
      this.#end(call, "unreachable", outcome);
      return outcome;
    }
    const { outcome, health } = await postSettle(config, payment, expected, {
      fetch: this.#fetch,
    });
    this.#end(call, health, outcome);
    return outcome;
  }

  /** Asks one after the other, or the next one beside a slow one where that is wanted, while there is time. */
  async *#inquire(
    inquiry: Inquiry,
    isConclusive: (opinion: Opinion) => boolean,
  ): AsyncGenerator<Opinion, void> {
    let left = inquiry.plan.candidates;
    const isLastResortLeft = inquiry.plan.resting.length > 0;
    while (inquiry.deadlineMs - this.#now() >= ATTEMPT_MS_MIN) {
      const [next, second, ...others] = left;
      if (next === undefined) return;
      const first = this.#ask(
        next.facilitatorId,
        inquiry,
        second === undefined && !isLastResortLeft,
      );
      const afterMs = this.#hedgeAfterMs(next.facilitatorId);
      const asked =
        second === undefined || afterMs === null
          ? [await first]
          : await hedged(first, {
              afterMs,
              askSecond: () =>
                this.#ask(second.facilitatorId, inquiry, others.length === 0 && !isLastResortLeft),
              isConclusive,
            });
      yield* asked;
      left = left.slice(asked.length);
    }
  }

  /** The ones whose breakers are not closed, in turn. Where this call makes the probe, its answer is the one to take. */
  async *#askResting(inquiry: Inquiry): AsyncGenerator<Opinion, void> {
    const { plan, probe, deadlineMs } = inquiry;
    for (const [index, { facilitatorId }] of plan.resting.entries()) {
      if (deadlineMs - this.#now() < ATTEMPT_MS_MIN) return;
      const probed = probe?.facilitatorId === facilitatorId ? await probe.opinion : null;
      const isLast = index === plan.resting.length - 1;
      yield probed ?? (await this.#ask(facilitatorId, inquiry, isLast));
    }
  }

  /** Time after which another one is asked beside this one; null when that is off, or nobody knows how long it takes. */
  #hedgeAfterMs(facilitatorId: FacilitatorId): number | null {
    if (this.#configOf(facilitatorId)?.hedgeVerify !== true) return null;
    const usualMs = this.#cache.verifyP95Ms(facilitatorId);
    return usualMs === null ? null : Math.max(usualMs, HEDGE_MS_MIN);
  }

  /** Verifies there, within the tenant's share. Kept alive by itself: a hedged call may not be waited for. */
  #ask(
    facilitatorId: FacilitatorId,
    { payment, tenantId, deadlineMs }: Inquiry,
    isLast: boolean,
  ): Promise<Opinion> {
    if (!this.#cache.admit(facilitatorId, tenantId)) {
      const outcome = notSent("rate_limited", SHARE_RETRY_MS);
      return Promise.resolve({ facilitatorId, outcome, doubtful: false });
    }
    const timeLeftMs = deadlineMs - this.#now();
    const timeoutMs = isLast ? timeLeftMs : timeLeftMs * ATTEMPT_SHARE;
    const opinion = this.#verifyAt(facilitatorId, payment, timeoutMs).then((reading) => ({
      facilitatorId,
      ...reading,
    }));
    this.#context.waitUntil(opinion);
    return opinion;
  }

  async #verifyAt(
    facilitatorId: FacilitatorId,
    payment: WirePayment,
    timeLeftMs: number,
    probe: Pick<StartedCall, "epoch" | "probeId"> | null = null,
  ): Promise<Pick<VerifyReading, "outcome" | "doubtful">> {
    const config = this.#configOf(facilitatorId);
    if (config === undefined) return { outcome: notSent("not_configured"), doubtful: false };
    const limitedMs = this.#rateLimitedMs(facilitatorId, "verify");
    if (limitedMs > 0) {
      return { outcome: notSent("rate_limited", limitedMs), doubtful: false };
    }
    const { verifyMs } = config.timeouts;
    const timeoutMs = Math.ceil(Math.min(timeLeftMs, verifyMs));
    const call = this.#start(facilitatorId, "verify", probe);
    const { outcome, doubtful, health } = await postVerify(config, payment, {
      timeoutMs,
      fetch: this.#fetch,
    });
    const isCutShort = health === "timeout" && timeoutMs < Math.min(verifyMs, TIMEOUT_MS_FAIR);
    if (!isCutShort) this.#end(call, health, outcome);
    return { outcome, doubtful };
  }

  /** Probes a verify breaker beside the call that is served elsewhere: verifying twice costs nobody anything. */
  #probeVerify({ resting }: RoutePlan, payment: WirePayment): VerifyProbe | null {
    const facilitatorId = this.#readyToProbe(resting, "verify");
    if (facilitatorId === undefined) return null;
    const probe = async (): Promise<Opinion | null> => {
      await this.#cache.requestProbe(facilitatorId, "verify");
      const held = this.#cache.takeProbe(facilitatorId, "verify");
      if (held === null) return null;
      const reading = await this.#verifyAt(facilitatorId, payment, VERIFY_DEADLINE_MS, held);
      return { facilitatorId, ...reading };
    };
    const opinion = probe();
    this.#context.waitUntil(opinion);
    return { facilitatorId, opinion };
  }

  /**
   * Asks, behind the call, for the right to send one settlement to a facilitator that would go first again. It is
   * there when this payment, or the next one, gets to settle.
   */
  #prepareSettleProbe({ candidates, resting }: RoutePlan, tenantId: string): void {
    const order = orderFor(this.#facilitators, tenantId).map(({ id }) => id);
    const first = candidates[0]?.facilitatorId ?? "";
    const preferred = resting.filter(
      ({ facilitatorId }) => order.indexOf(facilitatorId) < order.indexOf(first),
    );
    const facilitatorId = this.#readyToProbe(preferred, "settle");
    if (facilitatorId === undefined) return;
    this.#context.waitUntil(this.#cache.requestProbe(facilitatorId, "settle"));
  }

  #readyToProbe(resting: RoutePlan["resting"], operation: Operation): FacilitatorId | undefined {
    return resting.find(
      ({ facilitatorId, degraded }) =>
        degraded === "half_open" && !this.#cache.standing(facilitatorId, operation).isProbing,
    )?.facilitatorId;
  }

  #plan(
    operation: Operation,
    kind: RequestedKind,
    boundFacilitatorId: FacilitatorId | null,
    tenantId: string,
    { mayProbe } = { mayProbe: false },
  ): RoutePlan {
    const nowMs = this.#now();
    const ordered = orderFor(this.#facilitators, tenantId);
    const routable = ordered.map(({ id, networks }): RoutableFacilitator => ({
      id,
      networks: networks ?? null,
      kinds: this.#cache.kinds(id),
      extensions: this.#cache.extensions(id),
      breaker: this.#cache.standing(id, operation),
      isSuspect: this.#cache.recentCalls.isSuspect(id, operation, nowMs),
      isPassedOver:
        operation === "settle" &&
        (this.#passedOver.has(id) || this.#cache.standing(id, "verify").state !== "closed"),
      holdsProbe: mayProbe && this.#cache.isProbeFree(id, operation),
    }));
    return planRoute({ kind, boundFacilitatorId, nowMs }, routable);
  }

  #start(
    facilitatorId: FacilitatorId,
    operation: Operation,
    probe: Pick<StartedCall, "epoch" | "probeId"> | null,
  ): StartedCall {
    return {
      facilitatorId,
      operation,
      epoch: probe?.epoch ?? this.#cache.standing(facilitatorId, operation).epoch,
      probeId: probe?.probeId ?? null,
      startedAtMs: this.#now(),
    };
  }

  #end(call: StartedCall, signal: HealthSignal, outcome: VerifyOutcome | SettleOutcome): void {
    const { startedAtMs, ...admitted } = call;
    if (call.operation === "verify" && isFailure(signal)) this.#passedOver.add(call.facilitatorId);
    this.#cache.record(
      {
        ...admitted,
        signal,
        reason: "reason" in outcome ? outcome.reason : null,
        durationMs: this.#now() - startedAtMs,
        retryAfterMs: outcome.class === "unavailable" ? outcome.retryAfterMs : null,
      },
      this.#context,
    );
  }

  /** Another facilitator, and our own checks, found valid what this one rejected. */
  #recordContradiction(facilitatorId: FacilitatorId | null): void {
    if (facilitatorId === null) return;
    const call = this.#start(facilitatorId, "verify", null);
    this.#end(call, "contradicted", { class: "invalid", reason: "contradicted" });
  }

  #rateLimitedMs(facilitatorId: FacilitatorId, operation: Operation): number {
    return this.#cache.standing(facilitatorId, operation).rateLimitedUntilMs - this.#now();
  }

  #configOf(facilitatorId: FacilitatorId): FacilitatorConfig | undefined {
    return this.#facilitators.find(({ id }) => id === facilitatorId);
  }

  #nobody(): VerifyResult {
    return { outcome: notSent("no_facilitator"), facilitatorId: this.#facilitators[0]?.id ?? "" };
  }
}

function notSent(reason: string, retryAfterMs: number | null = null): UnavailableOutcome {
  return { class: "unavailable", reason, retryAfterMs };
}
