import { DurableObject } from "cloudflare:workers";
import { publishAlerts } from "../../src/alerts/publish-alerts.ts";
import { type PlatformConfig, configOf } from "../../src/config.ts";
import type { BreakerContext } from "../../src/facilitator/circuit-breaker.ts";
import type {
  ForceReply,
  HealthView,
  OutcomeBatch,
  ProbeReply,
  RoutingHealth,
} from "../../src/facilitator/health-messages.ts";
import type { Operation } from "../../src/facilitator/health-signal.ts";
import {
  HEALTH_STATE_VERSION,
  type HealthState,
  applyBatch,
  applyCheck,
  forceFacilitator,
  grantProbe,
  initialHealth,
  withFacilitators,
} from "../../src/facilitator/health-state.ts";
import { healthView, routingHealth } from "../../src/facilitator/health-view.ts";
import type { FacilitatorId } from "../../src/facilitator/port.ts";
import { withAlerts, withoutAlerts } from "../../src/facilitator/raise-alerts.ts";
import {
  DEFAULT_REGION,
  REGIONS,
  type Region,
  healthObjectName,
} from "../../src/facilitator/region.ts";
import { checkFacilitator } from "../../src/facilitator/supported.ts";
import { PLATFORM } from "../../src/tenant/tenant-id.ts";
import { HealthSnapshot } from "./snapshot.ts";

/** Time between health checks while edges ask. */
const CHECK_INTERVAL_MS = 15_000;
/** A withdrawn kind is looked into sooner, but not more often than this. */
const CHECK_INTERVAL_MS_MIN = 5_000;
/** Nobody asked for this long: checks stop, and start again with the next report. */
const IDLE_MS = 10 * 60_000;
/** Counts alone are stored at most this often; a crash loses that much of them. Changes of state are stored at once. */
const PERSIST_INTERVAL_MS = 1_000;
const REASON_LENGTH_MAX = 200;

/**
 * Health of the facilitators, shared by all edges of a region: they report what they saw and take the state to route
 * by. What it says is advice. It never decides whether money moved, and losing it costs a few probes.
 *
 * The state is replaced in one synchronous turn per event, so no event sees another one half done; the await that
 * stores it comes after.
 */
export class FacilitatorHealth extends DurableObject<Env> {
  readonly #config: PlatformConfig;
  readonly #region: Region;
  /** CAIP-2. */
  readonly #networks: readonly string[];
  readonly #snapshot: HealthSnapshot;
  #state: HealthState;
  #persistedAtMs = 0;
  /** When the next check is due; in the past while one runs, null when none is planned. */
  #alarmAtMs: number | null = null;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#config = configOf(env);
    this.#region = regionOfObject(ctx.id, env);
    this.#networks = this.#config.networks.map(({ caip2 }) => caip2);
    this.#state = initialHealth(this.#config.facilitators, Date.now());
    // No bindings for itty-durable: it would copy them onto ctx.
    this.#snapshot = new HealthSnapshot(ctx, {});
    void ctx.blockConcurrencyWhile(async () => {
      await this.#snapshot.loadFromStorage();
      const stored = this.#snapshot.health;
      if (stored?.version === HEALTH_STATE_VERSION) {
        this.#state = withFacilitators(stored, this.#config.facilitators, Date.now());
      }
      this.#alarmAtMs = await ctx.storage.getAlarm();
    });
  }

  /** Takes in what an edge saw, and gives it the state to route by. */
  async report(batch: OutcomeBatch): Promise<RoutingHealth> {
    const context = breakerContext();
    const before = this.#state;
    this.#become(applyBatch(before, batch, this.#config.facilitators, context), context.nowMs);
    this.#touch(context.nowMs);
    const isAlarming = this.#state.alerts !== before.alerts;
    const isWithdrawn = batch.outcomes.some(({ signal }) => signal === "kind_withdrawn");
    await this.#checkBy(context.nowMs + (isWithdrawn || isAlarming ? 0 : CHECK_INTERVAL_MS));
    const isUrgent = isAlarming || hasNewEpoch(before, this.#state);
    if (isUrgent || (batch.outcomes.length > 0 && this.#isPersistDue(context.nowMs))) {
      await this.#persist(context.nowMs);
    }
    return routingHealth(this.#state, context.nowMs);
  }

  /** Starts health checks again where edges call, and none in a region that nobody calls from. */
  async view(): Promise<HealthView> {
    const nowMs = Date.now();
    if (this.#state.lastUsedMs !== null) {
      this.#touch(nowMs);
      await this.#checkBy(nowMs + CHECK_INTERVAL_MS);
    }
    return healthView(this.#state, nowMs);
  }

  /** The right to probe a half-open breaker, to one caller at a time. */
  async requestProbe(facilitatorId: FacilitatorId, operation: Operation): Promise<ProbeReply> {
    const nowMs = Date.now();
    const config = this.#config.facilitators.find(({ id }) => id === facilitatorId);
    if (config === undefined) return { result: "denied" };
    const probeId = crypto.randomUUID();
    const granted = grantProbe(this.#state, config, operation, probeId, nowMs);
    if (granted === null) return { result: "denied" };
    this.#become(granted.state, nowMs);
    await this.#persist(nowMs);
    const { epoch, startWithinMs } = granted;
    return { result: "granted", probeId, epoch, startWithinMs };
  }

  async force(
    facilitatorId: FacilitatorId,
    state: "open" | "closed" | "auto",
    reason: string,
  ): Promise<ForceReply> {
    if (!Object.hasOwn(this.#state.facilitators, facilitatorId)) {
      return { result: "unknown_facilitator" };
    }
    const nowMs = Date.now();
    const decision = { state, reason: reason.slice(0, REASON_LENGTH_MAX) };
    this.#become(forceFacilitator(this.#state, facilitatorId, decision, nowMs), nowMs);
    await this.#checkBy(nowMs);
    await this.#persist(nowMs);
    return { result: "done" };
  }

  /**
   * Checks every facilitator, then hands on what operators should hear. The state was loaded before (constructor); the
   * next alarm is armed last, also after a failure, so that none can end the checks.
   */
  override async alarm(): Promise<void> {
    this.#alarmAtMs = 0;
    try {
      await Promise.all(this.#config.facilitators.map((config) => this.#check(config)));
      await this.#persist(Date.now());
    } catch (error) {
      console.error("facilitator health check failed", error);
    }
    try {
      await this.#forwardAlerts();
    } catch (error) {
      console.error("facilitator alerts wait", error);
    }
    this.#alarmAtMs = null;
    const nowMs = Date.now();
    const isIdle = nowMs - (this.#state.lastUsedMs ?? 0) >= IDLE_MS;
    if (!isIdle || this.#state.alerts.waiting.length > 0) {
      await this.#checkBy(nowMs + CHECK_INTERVAL_MS);
    }
  }

  /** Alerts that arrive twice, because the object was lost in between, are there once. */
  async #forwardAlerts(): Promise<void> {
    const { waiting } = this.#state.alerts;
    if (waiting.length === 0) return;
    await publishAlerts(
      this.env,
      { tenantId: PLATFORM, object: this.ctx.id.toString() },
      waiting.map((alert) => ({ ...alert, paymentId: null })),
      Date.now(),
    );
    this.#state = withoutAlerts(this.#state, waiting);
    await this.#persist(Date.now());
  }

  async #check(config: PlatformConfig["facilitators"][number]): Promise<void> {
    const check = await checkFacilitator(config, this.#networks);
    // Reports came in meanwhile: the state is read after the wait, not before.
    const context = breakerContext();
    this.#become(applyCheck(this.#state, config, check, context), context.nowMs);
  }

  /** Replaces the state, and adds what is worth an alert about the change. */
  #become(next: HealthState, nowMs: number): void {
    const { facilitators } = this.#config;
    const scope = { region: this.#region, facilitators, networks: this.#networks };
    this.#state = withAlerts(this.#state, next, scope, nowMs);
  }

  #touch(nowMs: number): void {
    this.#state = { ...this.#state, lastUsedMs: nowMs };
  }

  /** Arms the alarm for the next check, unless it is due earlier anyway. The first check of all is due now. */
  async #checkBy(latestMs: number): Promise<void> {
    const checks = Object.values(this.#state.facilitators).map(
      ({ lastCheck }) => lastCheck?.atMs ?? 0,
    );
    const dueMs = Math.max(
      Math.min(latestMs, Math.min(...checks) + CHECK_INTERVAL_MS),
      Math.max(...checks) + CHECK_INTERVAL_MS_MIN,
    );
    if (this.#alarmAtMs !== null && this.#alarmAtMs <= dueMs) return;
    this.#alarmAtMs = dueMs;
    await this.ctx.storage.setAlarm(dueMs);
  }

  #isPersistDue(nowMs: number): boolean {
    return nowMs - this.#persistedAtMs >= PERSIST_INTERVAL_MS;
  }

  async #persist(nowMs: number): Promise<void> {
    this.#persistedAtMs = nowMs;
    this.#snapshot.health = this.#state;
    await this.#snapshot.persist();
  }
}

/**
 * By its id, which is the same whoever reaches it, while its name is only known where a caller of this process used
 * it. It only names alerts, so an object of no region may pass for the default one's.
 */
function regionOfObject(
  id: DurableObjectId,
  { FACILITATOR_HEALTH }: Pick<Env, "FACILITATOR_HEALTH">,
): Region {
  const isOwn = (region: Region) =>
    FACILITATOR_HEALTH.idFromName(healthObjectName(region)).equals(id);
  return REGIONS.find(isOwn) ?? DEFAULT_REGION;
}

function breakerContext(): BreakerContext {
  return { nowMs: Date.now(), random: Math.random() };
}

/** Whether any breaker changed state between the two. */
function hasNewEpoch(before: HealthState, after: HealthState): boolean {
  return Object.entries(after.facilitators).some(([id, record]) => {
    const known = before.facilitators[id];
    return (
      known?.breakers.verify.automatic.epoch !== record.breakers.verify.automatic.epoch ||
      known.breakers.settle.automatic.epoch !== record.breakers.settle.automatic.epoch
    );
  });
}
