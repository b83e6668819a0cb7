import { AlertRows } from "./alert-rows.ts";
import { JournalRows } from "./journal-rows.ts";
import { PaymentRows } from "./payment-rows.ts";
import { ReconciliationRows } from "./reconciliation-rows.ts";
import { ResponseRows } from "./response-rows.ts";
import type { LedgerStore, NotPromise } from "./store.ts";

/** Alarms fire at whole steps of this, so that payments due one after another share one and not each have theirs. */
const ALARM_GRAIN_MS = 250;

/** The ledger's store in the object's SQLite, with its one alarm. */
export class SqlStore implements LedgerStore {
  readonly payments: PaymentRows;
  readonly responses: ResponseRows;
  readonly journal: JournalRows;
  readonly alerts: AlertRows;
  readonly reconciliations: ReconciliationRows;
  readonly #storage: DurableObjectStorage;
  /** When the alarm is set to fire; null when it is not set. A cache of what the runtime knows. */
  #alarmAtMs: number | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.payments = new PaymentRows(storage.sql);
    this.responses = new ResponseRows(storage.sql);
    this.journal = new JournalRows(storage.sql);
    this.alerts = new AlertRows(storage.sql, (atMs) => this.wakeAt(atMs));
    this.reconciliations = new ReconciliationRows(storage.sql);
  }

  transaction<Result>(run: () => NotPromise<Result>): Result {
    const alarmAtMs = this.#alarmAtMs;
    try {
      return this.#storage.transactionSync(run);
    } catch (error) {
      this.#alarmAtMs = alarmAtMs;
      throw error;
    }
  }

  wakeAt(atMs: number): void {
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

  /** The alarm is firing, so none is set any more. */
  alarmFired(): void {
    this.#alarmAtMs = null;
  }

  /** Sets the alarm to when something is next due, if anything is. */
  rearm(): void {
    const times = [
      this.payments.nextDueAtMs(),
      this.responses.nextExpiryAtMs(),
      this.alerts.nextForwardAtMs(),
      this.reconciliations.nextDueAtMs(),
    ];
    const due = times.filter((time) => time !== null);
    if (due.length > 0) this.wakeAt(Math.min(...due));
  }
}
