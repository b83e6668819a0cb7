import { AlertRows } from "./alert-rows.ts";
import { DepositRows } from "./deposit-rows.ts";
import { JournalRows } from "./journal-rows.ts";
import { PaymentRows } from "./payment-rows.ts";
import { ReconciliationRows } from "./reconciliation-rows.ts";
import { ResponseRows } from "./response-rows.ts";
import type { LedgerStore, NotPromise } from "./store.ts";
import { SupersededRows } from "./superseded-rows.ts";
import { UsageRows } from "./usage-rows.ts";

/** Alarms fire at whole steps of this, so that payments due one after another share one and not each have theirs. */
const ALARM_GRAIN_MS = 250;

/** The ledger's store in the object's SQLite, with its one alarm. */
export class SqlStore implements LedgerStore {
  readonly payments: PaymentRows;
  readonly superseded: SupersededRows;
  readonly responses: ResponseRows;
  readonly journal: JournalRows;
  readonly deposits: DepositRows;
  readonly alerts: AlertRows;
  readonly reconciliations: ReconciliationRows;
  readonly usage: UsageRows;
  readonly #storage: DurableObjectStorage;
  /** When the alarm is set to fire; null when it is not set. A cache of what the runtime knows. */
  #alarmAtMs: number | null = null;
  #isInTransaction = false;
  #isFiring = false;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.payments = new PaymentRows(storage.sql);
    this.superseded = new SupersededRows(storage.sql);
    this.responses = new ResponseRows(storage.sql);
    this.journal = new JournalRows(storage.sql);
    this.deposits = new DepositRows(storage.sql, this.journal);
    this.alerts = new AlertRows(storage.sql, (atMs) => this.wakeAt(atMs));
    this.reconciliations = new ReconciliationRows(storage.sql);
    this.usage = new UsageRows(storage.sql, (atMs) => this.wakeAt(atMs));
  }

  /** One within another is part of it: each would be a savepoint of its own, and none is undone alone. */
  transaction<Result>(run: () => NotPromise<Result>): Result {
    if (this.#isInTransaction) return run();
    const alarmAtMs = this.#alarmAtMs;
    this.#isInTransaction = true;
    try {
      return this.#storage.transactionSync(run);
    } catch (error) {
      this.#alarmAtMs = alarmAtMs;
      this.payments.forget();
      this.journal.forget();
      throw error;
    } finally {
      this.#isInTransaction = false;
    }
  }

  /**
   * While the alarm runs this sets nothing: its end sets the next one from the rows. An alarm set in between would
   * take the place of the one that runs, which the runtime fires again when the object dies under it.
   */
  wakeAt(atMs: number): void {
    if (this.#isFiring) return;
    const alarmAtMs = Math.ceil(atMs / ALARM_GRAIN_MS) * ALARM_GRAIN_MS;
    if (this.#alarmAtMs !== null && this.#alarmAtMs <= alarmAtMs) return;
    this.#alarmAtMs = alarmAtMs;
    // Not awaited: it belongs to the transaction, and the output gate holds every reply until it is durable.
    void this.#storage.setAlarm(alarmAtMs);
  }

  /** Asks the runtime what is set, when the object starts. */
  async loadAlarm(): Promise<void> {
    this.#alarmAtMs = await this.#storage.getAlarm();
  }

  /** The alarm has run and broke on the way: it fires again then. */
  rearmAt(atMs: number): void {
    this.#isFiring = false;
    this.wakeAt(atMs);
  }

  /**
   * The alarm is firing, so none is set any more. One of `rearm` and `rearmAt` has to follow.
   * @param guardAtMs an alarm to set for the case that neither does and the runtime gives this one up; null for none
   */
  alarmFired(guardAtMs: number | null): void {
    this.#alarmAtMs = null;
    if (guardAtMs !== null) this.wakeAt(guardAtMs);
    this.#isFiring = true;
  }

  /** The alarm has run: sets it to when something is next due, if anything is. */
  rearm(): void {
    this.#isFiring = false;
    const times = [
      this.payments.nextDueAtMs(),
      this.responses.nextExpiryAtMs(),
      this.alerts.nextForwardAtMs(),
      this.reconciliations.nextDueAtMs(),
      this.usage.nextSaveAtMs(),
    ];
    const due = times.filter((time) => time !== null);
    if (due.length > 0) this.wakeAt(Math.min(...due));
  }
}
