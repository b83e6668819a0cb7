/**
 * A SettlementLedger in the simulation: the real `Ledger` and the real drain over a store in memory. It can crash at
 * any write and at any call; what was committed survives, claims and calls in flight do not.
 */
import * as z from "zod";
import { Ledger } from "../../durable-objects/settlement-ledger/ledger.ts";
import {
  type DrainDependencies,
  drainDue,
} from "../../durable-objects/settlement-ledger/alarm/drain.ts";
import type { WirePayment } from "../../src/payment/wire.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import { MemoryStore } from "../support/memory-store.ts";
import type { ChainModel } from "./chain-model.ts";
import type { Clock } from "./clock.ts";
import { type FacilitatorModel, SETTLE_TIMEOUT_MS } from "./facilitator-model.ts";
import type { Random } from "./random.ts";

export class Crash extends Error {
  override readonly name = "Crash";
}

export const ATTEMPT_LEASE_MS = SETTLE_TIMEOUT_MS + 5_000;

const RESTART_MS = 100;
/** Now and then it stays away for longer than an authorization is valid. */
const LONG_OUTAGE_RATE = 0.05;
const LONG_OUTAGE_MS_MAX = 500_000;
/** Responses removed per alarm. */
const SWEEP_LIMIT = 500;

export class LedgerHost {
  readonly store = new MemoryStore();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #chain: ChainModel;
  readonly #facilitators: readonly FacilitatorModel[];
  #ledger: Ledger;
  /** Grows with every crash: what belongs to an earlier life is dead. */
  #life = 0;
  #draining = false;
  #downUntilMs = 0;
  /** How far its clock is off the world's, milliseconds. */
  #skewMs = 0;
  crashRate = 0;
  crashes = 0;

  constructor(
    clock: Clock,
    random: Random,
    chain: ChainModel,
    facilitators: readonly FacilitatorModel[],
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#chain = chain;
    this.#facilitators = facilitators;
    this.#ledger = new Ledger(this.store);
    this.store.onWrite = () => this.#mayCrash(this.crashRate);
    this.store.onWake = () => this.#armAlarm();
  }

  /** A call from an edge: it may be lost on the way in, or its reply on the way out. */
  async call<Result>(run: (ledger: Ledger) => Result): Promise<Result> {
    const life = this.#life;
    await this.#clock.sleep(this.#random.between(1, 10));
    if (life !== this.#life || this.#clock.nowMs < this.#downUntilMs) {
      throw new Crash("the object was not there when the call arrived");
    }
    const result = this.#run(run);
    await this.#clock.sleep(this.#random.between(1, 10));
    if (life !== this.#life) throw new Crash("the object restarted before the reply was sent");
    this.#mayCrash(this.crashRate);
    return result;
  }

  /** What its own clock says. */
  get nowMs(): number {
    return this.#clock.nowMs + this.#skewMs;
  }

  /** Sets its clock, forward or back; the alarm is set by that clock. */
  setClock(skewMs: number): void {
    this.#skewMs = skewMs;
    this.#armAlarm();
  }

  context(): { nowMs: number; jitter: number } {
    return { nowMs: this.nowMs, jitter: this.#random.next() };
  }

  #run<Result>(run: (ledger: Ledger) => Result): Result {
    return run(this.#ledger);
  }

  #mayCrash(rate: number): void {
    if (!this.#random.chance(rate)) return;
    this.#life += 1;
    this.crashes += 1;
    this.#draining = false;
    this.#ledger = new Ledger(this.store);
    const downMs = this.#random.chance(LONG_OUTAGE_RATE)
      ? this.#random.between(0, LONG_OUTAGE_MS_MAX)
      : RESTART_MS;
    this.#downUntilMs = this.#clock.nowMs + downMs;
    this.#armAlarm();
    throw new Crash("the object crashed");
  }

  #armAlarm(): void {
    const { alarmAtMs } = this.store;
    if (alarmAtMs === null) return;
    this.#clock.at(Math.max(alarmAtMs - this.#skewMs, this.#downUntilMs), () => {
      if (this.store.alarmAtMs !== alarmAtMs || this.#draining) return;
      // Its clock was set back since.
      if (this.nowMs < alarmAtMs) this.#armAlarm();
      else void this.#alarm();
    });
  }

  /** As the object does it; a crash in it leaves the alarm set, because the runtime fires it again. */
  async #alarm(): Promise<void> {
    const life = this.#life;
    const alarmAtMs = this.store.alarmAtMs;
    this.#draining = true;
    this.store.alarmAtMs = null;
    try {
      await drainDue(this.#dependencies(life));
      if (life === this.#life) this.#ledger.removeExpiredResponses(SWEEP_LIMIT, this.context());
      if (life === this.#life) this.#ledger.removeSuperseded(SWEEP_LIMIT, this.nowMs);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    if (life !== this.#life) {
      this.store.alarmAtMs = alarmAtMs;
      this.#armAlarm();
      return;
    }
    this.#draining = false;
    const times = [this.store.payments.nextDueAtMs(), this.store.responses.nextExpiryAtMs()];
    const due = times.filter((time) => time !== null);
    if (due.length > 0) this.store.wakeAt(Math.max(Math.min(...due), this.nowMs + 1));
    this.#armAlarm();
  }

  #dependencies(life: number): DrainDependencies {
    const alive = <Result>(run: () => Result): Result => {
      if (life !== this.#life) throw new Crash("this alarm belongs to an earlier life");
      return run();
    };
    return {
      payment: (paymentId) => alive(() => this.#ledger.payment(paymentId)),
      apply: (paymentId, event, context) =>
        alive(() => this.#run((ledger) => ledger.apply(paymentId, event, context))),
      due: (nowMs, limit) => alive(() => this.store.payments.due(nowMs, limit)),
      chainOf: () => this.#chain.reader(),
      facilitatorIds: () => this.#facilitators.map(({ id }) => id),
      settle: (facilitatorId, wire) => {
        const facilitator = this.#facilitators.find(({ id }) => id === facilitatorId);
        if (facilitator === undefined) throw new Error(`no facilitator ${facilitatorId}`);
        return facilitator.settle(authorizationIn(wire));
      },
      wireOf: (payment) => Promise.resolve(this.store.payments.wireOf(payment.paymentId)),
      attemptLeaseMs: ATTEMPT_LEASE_MS,
      now: () => this.nowMs,
      sleep: (ms) => this.#clock.sleep(ms),
      random: () => this.#random.next(),
      onError: (_paymentId, error) => {
        if (error instanceof Crash || life !== this.#life) return;
        throw error;
      },
    };
  }
}

const sentAuthorizationSchema = z.object({
  network: z.string(),
  asset: z.string(),
  payer: z.string(),
  payee: z.string(),
  amountAtomic: z.string().transform((amount) => BigInt(amount)),
  nonce: z.string(),
  validAfterMs: z.number(),
  validBeforeMs: z.number(),
});

/** In the simulation, what facilitators are sent is the authorization itself. */
export function wireOf(authorization: Authorization): WirePayment {
  const { maximumAtomic: _, amountAtomic, ...fixed } = authorization;
  const paymentPayload = { ...fixed, amountAtomic: String(amountAtomic) };
  return { x402Version: 2, paymentPayload, paymentRequirements: {} };
}

function authorizationIn({ paymentPayload }: WirePayment): Authorization {
  return sentAuthorizationSchema.parse(paymentPayload);
}
