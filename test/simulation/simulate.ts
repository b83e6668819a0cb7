/**
 * One simulated world: a tenant's ledger, two facilitators, a chain, edges and clients, all failing at random, from
 * one seed. It runs through a time of faults, heals, and is then asked what must hold (docs/simulation.md).
 */
import { FULFILMENT_ATTEMPTS_MAX } from "../../src/settlement/fulfilment.ts";
import { isFailed, isSettled } from "../../src/settlement/payment.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";
import { bookViolations, lacksAnswer, movedBy } from "./books.ts";
import { ChainModel, identityOf } from "./chain-model.ts";
import { Clock } from "./clock.ts";
import { type Answer, type EdgeWorld, type Send, ignoreCrash, serve } from "./edge-model.ts";
import { FacilitatorModel } from "./facilitator-model.ts";
import { LedgerHost } from "./ledger-host.ts";
import { requestOutgoing } from "./payout-model.ts";
import { Random } from "./random.ts";

const START_MS = 1_790_000_000_000;
/** Faults happen in the first quarter of an hour; then everything heals and has half an hour to come to rest. */
const FAULTS_UNTIL_MS = START_MS + 900_000;
const END_MS = FAULTS_UNTIL_MS + 1_800_000;
const PRICE = 10_000n;
const VALIDITY_MS = 300_000;
const SENDS_MAX = 40;
/** Some clients hang up on an edge that stalls. */
const PATIENCE_MS_MAX = 60_000;
const PAYOUTS = 6;
/** Long enough for everybody, or so short that responses are removed in the middle of everything. */
const RETENTION_MS = { usual: 86_400_000, short: 120_000 } as const;
/** Clocks of machines in one network are closer than this. */
const CLOCK_SKEW_MS_MAX = 30_000;
const CLOCK_JUMP_EVERY_MS = 20_000;
const UPFRONT_SHARE = 0.2;
/** Long enough for most payers to come back, and over well before the end. */
const UPFRONT_RETENTION_MS = 600_000;

export interface SimulationResult {
  readonly seed: number;
  readonly payments: number;
  readonly settled: number;
  readonly paidOut: number;
  readonly failed: number;
  readonly superseded: number;
  readonly fulfilled: number;
  readonly undelivered: number;
  readonly crashes: number;
  readonly answers: number;
  readonly steps: number;
  /** What did not hold; empty when all did. */
  readonly violations: readonly string[];
}

/** A client's wish: one request, answered once, paid once, whatever it takes. */
interface Purchase {
  readonly name: string;
  readonly payer: string;
  readonly requestFingerprint: string;
  readonly upfront: boolean;
  readonly sends: Send[];
  readonly bodies: Set<string>;
  answered: boolean;
}

export async function simulate(seed: number, purchaseCount: number): Promise<SimulationResult> {
  const simulation = new Simulation(seed, purchaseCount);
  return await simulation.run();
}

class Simulation {
  readonly #seed: number;
  readonly #random: Random;
  readonly #clock = new Clock(START_MS);
  readonly #chain: ChainModel;
  readonly #world: EdgeWorld;
  readonly #host: LedgerHost;
  readonly #purchases: Purchase[] = [];
  readonly #violations = new Set<string>();
  readonly #handlerRuns = new Map<string, number>();
  readonly #handlerFailures = new Map<string, number>();
  readonly #edgeFailures = new Map<string, number>();
  /** Chance that a client waits for its answer only so long. */
  #impatience = 0;
  #nonces = 0;
  #answers = 0;
  #steps = 0;

  constructor(seed: number, purchaseCount: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#chain = new ChainModel(this.#clock, this.#random);
    const facilitators: EdgeWorld["facilitators"] = [
      new FacilitatorModel("primary", this.#chain, this.#clock, this.#random),
      new FacilitatorModel("fallback", this.#chain, this.#clock, this.#random),
    ];
    this.#host = new LedgerHost(this.#clock, this.#random, this.#chain, facilitators);
    this.#world = {
      clock: this.#clock,
      random: this.#random,
      host: this.#host,
      facilitators,
      observer: {
        handlerStarted: (identity) => count(this.#handlerRuns, identity),
        handlerFailed: (identity) => count(this.#handlerFailures, identity),
        edgeFailed: (identity) => count(this.#edgeFailures, identity),
        staged: (send) => this.#checkOwed(send),
        answered: (send, body) => this.#released(send, body),
      },
      edgeCrashRate: 0,
      stallRate: 0,
      retentionMs: this.#random.chance(0.1) ? RETENTION_MS.short : RETENTION_MS.usual,
      upfrontRetentionMs: UPFRONT_RETENTION_MS,
      handlerFaultRate: 0,
      disconnectRate: 0,
      duplicateRate: 0.05,
    };
    this.#setFaults();
    for (let index = 0; index < purchaseCount; index += 1) this.#startPurchase(index);
    for (let index = 0; index < PAYOUTS; index += 1) {
      const atMs = START_MS + this.#random.between(60_000, 900_000);
      this.#clock.at(atMs, () => this.#payOut(index));
    }
    this.#clock.at(FAULTS_UNTIL_MS, () => this.#heal());
  }

  async run(): Promise<SimulationResult> {
    await this.#clock.runUntil(END_MS, () => {
      this.#steps += 1;
      for (const violation of bookViolations(this.#host.store)) this.#violations.add(violation);
    });
    this.#checkEnd();
    const payments = [...this.#host.store.rows.values()];
    return {
      seed: this.#seed,
      payments: this.#purchases.reduce((sum, { sends }) => sum + sends.length, 0),
      settled: payments.filter((payment) => isSettled(payment)).length,
      paidOut: payments.filter((each) => isSettled(each) && each.direction === "outgoing").length,
      failed: payments.filter((payment) => isFailed(payment)).length,
      superseded: this.#purchases
        .flatMap(({ sends }) => sends)
        .filter(
          ({ authorization }) =>
            this.#host.store.superseded.get(identityOf(authorization)) !== null,
        ).length,
      fulfilled: payments.filter(({ fulfilment }) => fulfilment?.state === "fulfilled").length,
      undelivered: payments.filter(({ fulfilment }) => fulfilment?.state === "undelivered").length,
      crashes: this.#host.crashes,
      answers: this.#answers,
      steps: this.#steps,
      violations: [...this.#violations],
    };
  }

  /** Each world has its own weather, so that all mixtures of faults occur. */
  #setFaults(): void {
    const random = this.#random;
    const rate = (most: number) => (random.chance(0.4) ? 0 : random.next() * most);
    for (const facilitator of this.#world.facilitators) facilitator.faultRate = rate(0.8);
    this.#chain.rpcFaultRate = rate(0.5);
    this.#chain.reorgRate = rate(0.1);
    this.#host.crashRate = rate(0.05);
    this.#world.edgeCrashRate = rate(0.1);
    this.#world.stallRate = rate(0.05);
    this.#impatience = rate(0.8);
    if (random.chance(0.3)) this.#jumpClock();
    this.#world.handlerFaultRate = random.chance(0.1) ? 1 : rate(0.1);
    this.#world.disconnectRate = rate(0.3);
  }

  #heal(): void {
    for (const facilitator of this.#world.facilitators) facilitator.faultRate = 0;
    this.#chain.rpcFaultRate = 0;
    this.#chain.reorgRate = 0;
    this.#host.crashRate = 0;
    this.#world.edgeCrashRate = 0;
    this.#world.stallRate = 0;
    this.#impatience = 0;
    this.#host.setClock(0);
    this.#world.handlerFaultRate = 0;
    this.#world.disconnectRate = 0;
  }

  /** The ledger moves to a machine whose clock is off, again and again. */
  #jumpClock(): void {
    if (this.#clock.nowMs >= FAULTS_UNTIL_MS) return;
    this.#host.setClock(this.#random.between(-CLOCK_SKEW_MS_MAX, CLOCK_SKEW_MS_MAX));
    this.#clock.after(this.#random.between(0, CLOCK_JUMP_EVERY_MS), () => this.#jumpClock());
  }

  #payOut(index: number): void {
    const share = this.#random.next();
    void this.#host
      .call((_ledger) => requestOutgoing(this.#host.store, index, share, this.#host.nowMs))
      .catch(ignoreCrash);
  }

  #startPurchase(index: number): void {
    const purchase: Purchase = {
      name: `purchase ${index}`,
      payer: `payer${index % 7}`,
      requestFingerprint: `request${index}`,
      upfront: this.#random.chance(UPFRONT_SHARE),
      sends: [],
      bodies: new Set(),
      answered: false,
    };
    this.#purchases.push(purchase);
    this.#clock.at(START_MS + this.#random.between(0, 600_000), () => void this.#buy(purchase));
  }

  /** A client that resends, or carelessly signs again, until it has its answer. */
  async #buy(purchase: Purchase): Promise<void> {
    const random = this.#random;
    let send = this.#sign(purchase);
    for (let sends = 0; sends < SENDS_MAX && !purchase.answered; sends += 1) {
      const copies = random.chance(0.2) ? random.between(2, 4) : 1;
      const current = send;
      const answers = await Promise.all(
        Array.from({ length: copies }, async () => {
          await this.#clock.sleep(random.between(0, 50));
          return await this.#call(current);
        }),
      );
      if (answers.some(({ status }) => status === 200)) purchase.answered = true;
      this.#mayCancel(send);
      const refused = answers.some((answer) => answer.status === 402);
      if (refused || random.chance(0.3)) send = this.#sign(purchase);
      await this.#clock.sleep(random.between(500, 20_000));
    }
  }

  /** Sends, and waits as long as it has patience. */
  async #call(send: Send): Promise<Answer> {
    let isGone = false;
    const hangUp = async (): Promise<Answer> => {
      await this.#clock.sleep(this.#random.between(0, PATIENCE_MS_MAX));
      isGone = true;
      return { status: "lost" };
    };
    const served = serve(this.#world, { ...send, isGone: () => isGone });
    return this.#random.chance(this.#impatience)
      ? await Promise.race([served, hangUp()])
      : await served;
  }

  #sign(purchase: Purchase): Send {
    this.#nonces += 1;
    const authorization: Authorization = {
      network: "eip155:84532",
      asset: "0xusdc",
      payer: purchase.payer,
      payee: "0xdeposit",
      amountAtomic: PRICE,
      nonce: `0x${this.#nonces}`,
      validAfterMs: 0,
      validBeforeMs: this.#clock.nowMs + VALIDITY_MS,
    };
    const send: Send = {
      authorization,
      requestFingerprint: purchase.requestFingerprint,
      quoteHash: `quote ${this.#nonces}`,
      upfront: purchase.upfront,
    };
    purchase.sends.push(send);
    return send;
  }

  #mayCancel({ authorization }: Send): void {
    if (!this.#random.chance(0.02)) return;
    this.#chain.broadcast("cancel", identityOf(authorization), authorization);
  }

  /** Called the moment a body reaches a client. */
  #released({ authorization, requestFingerprint }: Send, body: string): void {
    this.#answers += 1;
    const purchase = this.#purchases.find((each) => each.requestFingerprint === requestFingerprint);
    purchase?.bodies.add(body);
    const { payments, superseded: supersededStore } = this.#host.store;
    const own = payments.byIdentity(identityOf(authorization));
    const superseded = supersededStore.get(identityOf(authorization));
    const paid = own ?? (superseded === null ? null : payments.byId(superseded.supersededBy));
    const isPaid = paid !== null && isSettled(paid);
    if (!isPaid && (purchase === undefined || !this.#wasDeceived(purchase))) {
      this.#violations.add(`1: an answer left before its settlement was recorded: ${body}`);
    }
  }

  /** Nobody is charged again for a request while an earlier payment for it is still owed its answer. */
  #checkOwed({ authorization, requestFingerprint }: Send): void {
    const { payments } = this.#host.store;
    const purchase = this.#purchases.find((each) => each.requestFingerprint === requestFingerprint);
    for (const other of purchase?.sends ?? []) {
      if (other.authorization.nonce === authorization.nonce) continue;
      const payment = payments.byIdentity(identityOf(other.authorization));
      if (payment === null || isFailed(payment) || payment.fulfilment?.state !== "pending")
        continue;
      this.#violations.add(
        `5: ${purchase?.name} is charged again while ${payment.paymentId} is owed`,
      );
    }
  }

  #checkEnd(): void {
    const { store } = this.#host;
    const transfers = this.#chain.transfers();
    const byIdentity = new Map([...store.rows.values()].map((row) => [row.identity, row]));
    for (const payment of byIdentity.values()) {
      const landed = transfers.has(payment.identity);
      const at = `${payment.paymentId} (${payment.state})`;
      if (payment.state !== "confirmed" && !isFailed(payment)) {
        this.#violations.add(`9: ${at} did not come to an end`);
      }
      if (isSettled(payment) && payment.fulfilment?.state === "pending") {
        this.#violations.add(`9: ${at} was paid upfront, and is neither fulfilled nor a credit`);
      }
      if (isFailed(payment) && landed) this.#violations.add(`7: ${at} failed but landed`);
      if (isSettled(payment) && !landed) this.#violations.add(`2: ${at} has no transfer`);
      if (landed && lacksAnswer(store, payment, this.#world.retentionMs > END_MS - START_MS)) {
        this.#violations.add(`4: ${at} was paid and has no stored response`);
      }
      const sum = store.entries
        .filter((entry) => entry.sourceId === payment.paymentId && entry.account === "deposit")
        .reduce((total, { amountAtomic }) => total + amountAtomic, 0n);
      if (sum !== (landed ? movedBy(payment) : 0n)) {
        this.#violations.add(`2: ${at} is posted ${sum} and landed is ${landed}`);
      }
    }
    for (const identity of transfers) {
      if (!byIdentity.has(identity)) this.#violations.add(`6: ${identity} landed unrecorded`);
    }
    if (store.journal.balance("0xusdc", "in_flight") !== 0n) {
      this.#violations.add("6: something is in flight when everything has come to an end");
    }
    this.#checkClients(transfers);
    this.#checkHandlers();
  }

  #checkClients(transfers: ReadonlySet<string>): void {
    for (const purchase of this.#purchases) {
      // Its answers are not stored: one that was lost on its way has to be bought again. `#checkOwed` is for those.
      if (purchase.upfront) continue;
      // What is no longer kept can't be answered any more: whoever still wants it has to buy it again.
      if (this.#hasLostAnswer(purchase)) continue;
      const charged = purchase.sends.filter(({ authorization }) =>
        transfers.has(identityOf(authorization)),
      ).length;
      if (charged > 1) this.#violations.add(`5: ${purchase.name} was charged ${charged} times`);
      if (purchase.bodies.size > 1) {
        this.#violations.add(`3: ${purchase.name} got ${purchase.bodies.size} different answers`);
      }
      if (purchase.answered && charged === 0 && !this.#wasDeceived(purchase)) {
        this.#violations.add(`1: ${purchase.name} was answered and never charged`);
      }
    }
  }

  #hasLostAnswer({ sends }: Purchase): boolean {
    const { payments } = this.#host.store;
    return sends.some(
      ({ authorization }) => payments.byIdentity(identityOf(authorization))?.response === "removed",
    );
  }

  /** Only a facilitator's lie or a reorganisation explains an answer without a transfer; both raise an alert. */
  #wasDeceived({ sends }: Purchase): boolean {
    return sends.some(({ authorization }) => {
      const identity = identityOf(authorization);
      return (
        this.#chain.undone.has(identity) ||
        this.#world.facilitators.some(({ lies }) => lies.has(identity))
      );
    });
  }

  /**
   * Once per payment, unless it declined, an edge or the object died under it, or another payment for the same request
   * was staged first: then it runs again when that one has failed.
   */
  #checkHandlers(): void {
    const { payments } = this.#host.store;
    for (const [identity, runs] of this.#handlerRuns) {
      const fulfilment = payments.byIdentity(identity)?.fulfilment ?? null;
      if (fulfilment !== null) {
        if (runs > fulfilment.attempts || runs > FULFILMENT_ATTEMPTS_MAX) {
          this.#violations.add(`3: the handler of ${identity} ran ${runs} times for one payment`);
        }
        continue;
      }
      const deaths = (this.#edgeFailures.get(identity) ?? 0) + this.#host.crashes;
      const failures = this.#handlerFailures.get(identity) ?? 0;
      const overtaken = this.#host.store.superseded.get(identity) === null ? 0 : 1;
      if (runs > 1 + failures + deaths + overtaken) {
        this.#violations.add(`3: the handler of ${identity} ran ${runs} times`);
      }
    }
  }
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
