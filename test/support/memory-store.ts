/**
 * The ledger's store in memory, with the semantics of the SQLite one: a transaction that throws leaves no trace, and
 * what was committed survives the object. Every write goes through `onWrite`, where a simulated crash can strike.
 */
import type {
  AlertStore,
  DepositStore,
  JournalStore,
  LedgerStore,
  NotPromise,
  PaymentStore,
  ResponseStore,
  SupersededStore,
} from "../../durable-objects/settlement-ledger/store/store.ts";
import type { StoredResponse } from "../../src/contracts/ledger.ts";
import type { WirePayment } from "../../src/payment/wire.ts";
import type { Superseded } from "../../src/settlement/claim.ts";
import type { Account } from "../../src/settlement/journal.ts";
import { awaitsFulfilment } from "../../src/settlement/fulfilment.ts";
import { type Payment, isAnswerable, isFailed, isSettled } from "../../src/settlement/payment.ts";

export interface MemoryEntry {
  readonly sourceId: string;
  readonly account: Account;
  readonly amountAtomic: bigint;
}

export interface MemoryAlert {
  readonly kind: string;
  readonly paymentId: string;
  readonly detail: string;
}

export class MemoryStore implements LedgerStore {
  readonly rows = new Map<string, Payment>();
  readonly entries: MemoryEntry[] = [];
  readonly alertRows: MemoryAlert[] = [];
  readonly payments: PaymentStore;
  readonly superseded: SupersededStore;
  readonly responses: ResponseStore;
  readonly journal: JournalStore;
  /** Nobody sends money to a deposit account here but to pay. */
  readonly deposits: DepositStore = { claim: () => {}, isGivenBack: () => false };
  readonly alerts: AlertStore;
  /** When the alarm would fire; the host reads and clears it. */
  alarmAtMs: number | null = null;
  /** Called before every write; may throw to crash there. */
  onWrite: () => void = () => {};
  /** Called when the alarm is set, after the transaction committed. */
  onWake: () => void = () => {};

  readonly #byIdentity = new Map<string, string>();
  readonly #byRequest = new Map<string, string[]>();
  readonly #wires = new Map<string, WirePayment>();
  readonly #provedBy = new Map<string, string>();
  readonly #superseded = new Map<string, Superseded>();
  readonly #responses = new Map<string, { response: StoredResponse; expiresAtMs: number }>();
  readonly #balances = new Map<string, bigint>();
  #undo: (() => void)[] | null = null;

  constructor() {
    this.payments = this.#paymentStore();
    this.superseded = this.#supersededStore();
    this.responses = this.#responseStore();
    this.journal = {
      append: (posting) => {
        for (const { account, amountAtomic } of posting.entries) {
          this.#write(
            () => this.entries.push({ sourceId: posting.sourceId, account, amountAtomic }),
            () => this.entries.pop(),
          );
          const key = `${posting.asset} ${account}`;
          this.#set(this.#balances, key, (this.#balances.get(key) ?? 0n) + amountAtomic);
        }
      },
      balance: (asset, account) => this.#balances.get(`${asset} ${account}`) ?? 0n,
    };
    this.alerts = {
      append: (kind, paymentId, detail, nowMs) => {
        this.#write(
          () => this.alertRows.push({ kind, paymentId, detail }),
          () => this.alertRows.pop(),
        );
        this.wakeAt(nowMs);
      },
    };
  }

  transaction<Result>(run: () => NotPromise<Result>): Result {
    if (this.#undo !== null) return run();
    const undo: (() => void)[] = [];
    const alarmAtMs = this.alarmAtMs;
    this.#undo = undo;
    try {
      const result = run();
      this.#undo = null;
      if (this.alarmAtMs !== alarmAtMs) this.onWake();
      return result;
    } catch (error) {
      this.#undo = null;
      for (const step of undo.toReversed()) step();
      this.alarmAtMs = alarmAtMs;
      throw error;
    }
  }

  wakeAt(atMs: number): void {
    if (this.alarmAtMs !== null && this.alarmAtMs <= atMs) return;
    this.alarmAtMs = atMs;
    if (this.#undo === null) this.onWake();
  }

  #write(apply: () => unknown, undo: () => unknown): void {
    this.onWrite();
    apply();
    this.#undo?.push(undo);
  }

  #set<Value>(map: Map<string, Value>, key: string, value: Value): void {
    const before = map.get(key);
    this.#write(
      () => map.set(key, value),
      () => (before === undefined ? map.delete(key) : map.set(key, before)),
    );
  }

  #delete<Value>(map: Map<string, Value>, key: string): void {
    const before = map.get(key);
    if (before === undefined) return;
    this.#write(
      () => map.delete(key),
      () => map.set(key, before),
    );
  }

  #paymentStore(): PaymentStore {
    const byId = (paymentId: string) => this.rows.get(paymentId) ?? null;
    return {
      byId,
      byIdentity: (identity) => byId(this.#byIdentity.get(identity) ?? ""),
      byIdentifier: (identifierHash) =>
        [...this.rows.values()].find(({ proofs }) => proofs.identifierHash === identifierHash) ??
        null,
      latestUnanswered: (payer, requestFingerprint) =>
        (this.#byRequest.get(`${payer} ${requestFingerprint}`) ?? [])
          .map((paymentId) => byId(paymentId))
          .filter((payment) => payment !== null)
          .toSorted(inOrder)
          .findLast(
            (payment) =>
              payment.answeredAtMs === null &&
              (isAnswerable(payment) || !isFailed(payment)) &&
              !(isSettled(payment) && payment.response !== "kept" && !awaitsFulfilment(payment)),
          ) ?? null,
      due: (nowMs, limit) =>
        [...this.rows.values()]
          .filter(({ dueAtMs }) => dueAtMs !== null && dueAtMs <= nowMs)
          .toSorted((a, b) => (a.dueAtMs ?? 0) - (b.dueAtMs ?? 0) || inOrder(a, b))
          .slice(0, limit)
          .map(({ paymentId }) => paymentId),
      nextDueAtMs: () => {
        const times = [...this.rows.values()].flatMap(({ dueAtMs }) => dueAtMs ?? []);
        return times.length === 0 ? null : Math.min(...times);
      },
      insert: (payment, _request, wire) => {
        if (this.#byIdentity.has(payment.identity)) {
          throw new Error(`identity ${payment.identity} is taken`);
        }
        this.#set(this.rows, payment.paymentId, payment);
        this.#set(this.#byIdentity, payment.identity, payment.paymentId);
        const key = `${payment.authorization.payer} ${payment.requestFingerprint}`;
        this.#set(this.#byRequest, key, [...(this.#byRequest.get(key) ?? []), payment.paymentId]);
        if (wire !== null) this.#set(this.#wires, payment.paymentId, wire);
      },
      update: (payment) => this.#set(this.rows, payment.paymentId, payment),
      wireOf: (paymentId) => this.#wires.get(paymentId) ?? null,
      setWire: (paymentId, wire) => this.#set(this.#wires, paymentId, wire),
      paymentProvedBy: (network, { transaction, logIndex }) =>
        this.#provedBy.get(`${network} ${transaction} ${logIndex}`) ?? null,
      setEvidence: (payment, evidence) => {
        for (const [key, owner] of this.#provedBy) {
          if (owner === payment.paymentId) this.#delete(this.#provedBy, key);
        }
        if (evidence === null) return;
        const { network } = payment.authorization;
        const key = `${network} ${evidence.transaction} ${evidence.logIndex}`;
        if (this.#provedBy.has(key)) throw new Error(`log ${key} proves another payment`);
        this.#set(this.#provedBy, key, payment.paymentId);
      },
    };
  }

  #supersededStore(): SupersededStore {
    return {
      get: (identity) => this.#superseded.get(identity) ?? null,
      put: (superseded) => this.#set(this.#superseded, superseded.identity, superseded),
      removeLapsed: (validBeforeMs, limit) => {
        const removed = [...this.#superseded.values()]
          .filter((each) => each.validBeforeMs <= validBeforeMs)
          .filter(({ supersededBy }) => !mayStillLand(this.payments.byId(supersededBy)))
          .toSorted(
            (a, b) => a.validBeforeMs - b.validBeforeMs || (a.identity < b.identity ? -1 : 1),
          )
          .slice(0, limit);
        for (const { identity } of removed) this.#delete(this.#superseded, identity);
        return removed.length;
      },
    };
  }

  #responseStore(): ResponseStore {
    return {
      put: (paymentId, response, expiresAtMs) =>
        this.#set(this.#responses, paymentId, { response, expiresAtMs }),
      get: (paymentId) => this.#responses.get(paymentId)?.response ?? null,
      expired: (nowMs, limit) =>
        [...this.#responses]
          .filter(([, { expiresAtMs }]) => expiresAtMs <= nowMs)
          .map(([paymentId, kept]) => ({ paymentId, ...kept }))
          .toSorted((a, b) => a.expiresAtMs - b.expiresAtMs || inOrder(a, b))
          .slice(0, limit)
          .map(({ paymentId, response: { body } }) => ({
            paymentId,
            objectKey: body instanceof Uint8Array ? null : body.key,
          })),
      nextExpiryAtMs: () => {
        const times = [...this.#responses.values()].map(({ expiresAtMs }) => expiresAtMs);
        return times.length === 0 ? null : Math.min(...times);
      },
      remove: (paymentId) => this.#delete(this.#responses, paymentId),
      extend: (paymentId, expiresAtMs) => {
        const known = this.#responses.get(paymentId);
        if (known !== undefined) this.#set(this.#responses, paymentId, { ...known, expiresAtMs });
      },
    };
  }
}

function mayStillLand(payment: Payment | null): boolean {
  return payment !== null && !isSettled(payment) && !isFailed(payment);
}

/** Payment ids begin with their time; the rows are kept in their order. */
function inOrder(a: Pick<Payment, "paymentId">, b: Pick<Payment, "paymentId">): number {
  return a.paymentId < b.paymentId ? -1 : 1;
}
