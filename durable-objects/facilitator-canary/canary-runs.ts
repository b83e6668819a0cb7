import { bytesToHex } from "viem";
import { type CanaryPayment, signCanaryPayment } from "../../src/chain/canary-payment.ts";
import type { ChainReader } from "../../src/chain/port.ts";
import { FACILITATORS_MAX, type FacilitatorConfig } from "../../src/config.ts";
import type { CanaryConfig } from "../../src/facilitator/canary-config.ts";
import {
  type CanaryRun,
  type CanaryState,
  type CanaryView,
  NO_CANARY_STATE,
  beginRun,
  canaryView,
  confirmRun,
  dueAtMs,
  endRun,
  unalerted,
  unconfirmedRuns,
  withAlerted,
} from "../../src/facilitator/canary.ts";
import type { HealthAlert } from "../../src/facilitator/health-alerts.ts";
import type {
  BreakerStanding,
  CallOutcome,
  RoutingHealth,
} from "../../src/facilitator/health-messages.ts";
import type { SettleReading, VerifyReading } from "../../src/facilitator/classify.ts";
import type { Operation } from "../../src/facilitator/health-signal.ts";
import type { Fetch } from "../../src/facilitator/http-exchange.ts";
import { postSettle, postVerify } from "../../src/facilitator/http-facilitator.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import type { SettleOutcome, VerifyOutcome } from "../../src/settlement/outcome.ts";
import type { FacilitatorHealthClient } from "../facilitator-health/client.ts";

export interface CanaryRunsOptions {
  readonly canary: CanaryConfig;
  readonly facilitators: readonly FacilitatorConfig[];
  readonly storage: Pick<DurableObjectStorage, "get" | "put">;
  readonly health: Pick<FacilitatorHealthClient, "report" | "requestProbe">;
  /** Of the canary's network; null where there is no node to ask: then a facilitator's word counts. */
  readonly chain: Pick<ChainReader, "confirmTransfer"> | null;
  readonly fetch?: Fetch | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

type CanaryAlert = HealthAlert & { readonly kind: "canary_failed" };

/** What a call was admitted under. */
interface Admission {
  readonly epoch: number;
  readonly probeId: string | null;
}

const STORAGE_KEY = "canary";
/** How soon a facilitator is looked at again whose breaker did not let the canary through. */
const RETRY_MS = 15_000;
/** How soon the chain is asked again about a settlement that it does not show yet. */
const CONFIRM_AGAIN_MS = 5_000;
/** Beyond both timeouts; after it the authorization is worthless to whoever was shown it. */
const VALIDITY_MARGIN_MS = 60_000;

/**
 * Pays through facilitators and notes what came of it. For their health it is one more edge: it reports what it saw,
 * keeps off open breakers, and where one is half-open its call is the probe.
 */
export class CanaryRuns {
  readonly #options: CanaryRunsOptions;
  /** For the shared health this is one edge, with batches numbered from 1. */
  readonly #instanceId = `canary-${crypto.randomUUID()}`;
  #sequence = 0;
  #state: CanaryState = NO_CANARY_STATE;

  private constructor(options: CanaryRunsOptions) {
    this.#options = options;
  }

  static async load(options: CanaryRunsOptions): Promise<CanaryRuns> {
    const { caip2 } = options.canary.network;
    const facilitators = options.facilitators.filter(
      ({ networks }) => networks === undefined || networks.includes(caip2),
    );
    const runs = new CanaryRuns({ ...options, facilitators });
    runs.#state = (await options.storage.get<CanaryState>(STORAGE_KEY)) ?? NO_CANARY_STATE;
    return runs;
  }

  get view(): CanaryView {
    const { canary, facilitators, now } = this.#options;
    const ids = facilitators.map(({ id }) => id);
    return canaryView(this.#state, canary, ids, now());
  }

  /**
   * Asks the chain for what is said to be settled, and pays through every facilitator that is due and not waited for.
   * Resolves with when to come back, milliseconds since the epoch.
   */
  async runDue(): Promise<number> {
    const { facilitators, now } = this.#options;
    // Operators are told before the next payment takes its place.
    if ((await this.#confirm()) === "missing") return now();
    const due = facilitators.filter(({ id }) => this.#dueAtMs(id) <= now());
    if (due.length > 0) {
      const health = await this.#report([]);
      const runs = await Promise.allSettled(due.map((config) => this.#run(config, health)));
      const failed = runs.find((run) => run.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    }
    // Those that are due still were not let through, and are looked at again.
    const times = facilitators.map(({ id }) => this.#dueAtMs(id));
    return Math.min(...times.map((atMs) => (atMs <= now() ? now() + RETRY_MS : atMs)));
  }

  /** Tells about payments that fail, by `publish`; again, as the same alert, after that failed. */
  async alert(publish: (alert: CanaryAlert) => Promise<void>): Promise<void> {
    const ids = this.#options.facilitators.map(({ id }) => id);
    for (const id of unalerted(this.#state)) {
      const run = this.#state.facilitators[id]?.last;
      if (run === undefined) continue;
      const { atMs, outcome, reason } = run;
      await publish({
        // One number for each payment, of the many that may have begun in one millisecond.
        alert: atMs * (FACILITATORS_MAX + 1) + ids.indexOf(id) + 1,
        kind: "canary_failed",
        detail: `a payment of our own through ${id}: ${reason ?? outcome}`,
        atMs,
      });
      this.#state = withAlerted(this.#state, [id]);
      await this.#save();
    }
  }

  /** @returns `missing` when the chain has contradicted a facilitator */
  async #confirm(): Promise<"missing" | "fine"> {
    const { chain, now } = this.#options;
    let confirmed: "missing" | "fine" = "fine";
    if (chain === null) return confirmed;
    for (const run of unconfirmedRuns(this.#state)) {
      const { authorization, transaction, atMs } = run;
      const evidence = await chain.confirmTransfer(authorization, transaction, atMs);
      this.#state = confirmRun(this.#state, run, evidence, now());
      await this.#save();
      if (evidence.found === "missing") confirmed = "missing";
    }
    return confirmed;
  }

  /** One payment is over before the next begins. */
  #dueAtMs(facilitatorId: string): number {
    const { canary, chain, now } = this.#options;
    const isUnconfirmed = this.#state.facilitators[facilitatorId]?.unconfirmed !== undefined;
    return isUnconfirmed && chain !== null
      ? now() + CONFIRM_AGAIN_MS
      : dueAtMs(this.#state, canary, facilitatorId, now());
  }

  async #run(config: FacilitatorConfig, health: RoutingHealth): Promise<void> {
    const { canary, now, fetch } = this.#options;
    const admissions = await this.#admitBoth(config, health);
    if (admissions === null) return;
    const begun = beginRun(this.#state, canary, config.id, now());
    if (begun === null) return;
    this.#state = begun;
    // Spent before anybody can see the signature: whatever happens from here on, it is not signed for again.
    await this.#save();
    const { authorization, wire, expected } = await this.#sign(config);
    const verifyFromMs = now();
    const verified = await postVerify(config, wire, { fetch });
    const verifyMs = now() - verifyFromMs;
    await this.#reportCall(config, "verify", admissions.verify, verified, verifyMs);
    if (verified.outcome.class !== "valid") {
      await this.#end(config.id, verified.outcome, { verifyMs, settleMs: null }, authorization);
      return;
    }
    const settleFromMs = now();
    const settled = await postSettle(config, wire, expected, { fetch });
    const settleMs = now() - settleFromMs;
    await this.#end(config.id, settled.outcome, { verifyMs, settleMs }, authorization);
    await this.#reportCall(config, "settle", admissions.settle, settled, settleMs);
  }

  /** Before anything is signed: null where a breaker lets nobody through, or somebody else probes it. */
  async #admitBoth(
    config: FacilitatorConfig,
    { facilitators }: RoutingHealth,
  ): Promise<Readonly<Record<Operation, Admission>> | null> {
    const standing = facilitators[config.id];
    if (standing === undefined || isOpen(standing.verify) || isOpen(standing.settle)) return null;
    const verify = await this.#admit(config, "verify", standing.verify);
    const settle = verify && (await this.#admit(config, "settle", standing.settle));
    return verify && settle && { verify, settle };
  }

  async #admit(
    { id }: FacilitatorConfig,
    operation: Operation,
    { state, epoch }: BreakerStanding,
  ): Promise<Admission | null> {
    if (state === "closed") return { epoch, probeId: null };
    const reply = await this.#options.health.requestProbe(id, operation);
    return reply.result === "granted" ? { epoch: reply.epoch, probeId: reply.probeId } : null;
  }

  #sign({ timeouts }: FacilitatorConfig): Promise<CanaryPayment> {
    const nonce = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
    const validForMs = timeouts.verifyMs + timeouts.settleMs + VALIDITY_MARGIN_MS;
    return signCanaryPayment(this.#options.canary, nonce, this.#options.now() + validForMs);
  }

  async #end(
    facilitatorId: string,
    outcome: Exclude<VerifyOutcome, { class: "valid" }> | SettleOutcome,
    took: Pick<CanaryRun, "verifyMs" | "settleMs">,
    authorization: Authorization,
  ): Promise<void> {
    const ended = {
      ...took,
      outcome: outcome.class,
      reason: "reason" in outcome ? outcome.reason : null,
      transaction: "transaction" in outcome ? outcome.transaction : null,
    };
    const askable = this.#options.chain === null ? null : authorization;
    this.#state = endRun(this.#state, facilitatorId, ended, askable);
    await this.#save();
  }

  /** What can't be reported is lost, as for any edge. */
  async #reportCall(
    { id }: FacilitatorConfig,
    operation: Operation,
    { epoch, probeId }: Admission,
    { outcome, health }: VerifyReading | SettleReading,
    durationMs: number,
  ): Promise<void> {
    const seen: CallOutcome = {
      facilitatorId: id,
      operation,
      signal: health,
      reason: "reason" in outcome ? outcome.reason : null,
      epoch,
      probeId,
      durationMs,
      ageMs: 0,
      retryAfterMs: outcome.class === "unavailable" ? outcome.retryAfterMs : null,
    };
    try {
      await this.#report([seen]);
    } catch (error) {
      console.error("canary report lost", error);
    }
  }

  #report(outcomes: readonly CallOutcome[]): Promise<RoutingHealth> {
    this.#sequence += 1;
    const batch = { instanceId: this.#instanceId, sequence: this.#sequence, outcomes };
    return this.#options.health.report(batch);
  }

  async #save(): Promise<void> {
    await this.#options.storage.put(STORAGE_KEY, this.#state);
  }
}

function isOpen({ state }: BreakerStanding): boolean {
  return state === "open" || state === "forced_open";
}
