import { AlertRows } from "./alert-rows.ts";
import { JournalRows } from "./journal-rows.ts";
import { PaymentRows } from "./payment-rows.ts";
import { ResponseRows } from "./response-rows.ts";
import type { LedgerStore, NotPromise } from "./store.ts";

/** The ledger's store in the object's SQLite, with its one alarm. */
export class SqlStore implements LedgerStore {
  readonly payments: PaymentRows;
  readonly responses: ResponseRows;
  readonly journal: JournalRows;
  readonly alerts: AlertRows;
  readonly #storage: DurableObjectStorage;
  /** When the alarm is set to fire; null when it is not set. A cache of what the runtime knows. */
  #alarmAtMs: number | null = null;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.payments = new PaymentRows(storage.sql);
    this.responses = new ResponseRows(storage.sql);
    this.journal = new JournalRows(storage.sql);
    this.alerts = new AlertRows(storage.sql);
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
    if (this.#alarmAtMs !== null && this.#alarmAtMs <= atMs) return;
    this.#alarmAtMs = atMs;
    // Not awaited: it belongs to the transaction, and the output gate holds every reply until it is durable.
    void this.#storage.setAlarm(atMs);
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
    const times = [this.payments.nextDueAtMs(), this.responses.nextExpiryAtMs()];
    const due = times.filter((time) => time !== null);
    if (due.length > 0) this.wakeAt(Math.min(...due));
  }
}
