import type { NotPromise } from "./store.ts";

/**
 * How long a call waits for others to share its commit. A paid call waits twice, which is little beside a settlement on
 * a chain; at 16 connections fewer commits save more time than that.
 */
const COMPANY_WAIT_MS = 3;

/**
 * Runs the writes of concurrent calls in one turn. All writes of a turn are one atomic commit, and a commit costs far
 * more than a write: the calls share it. Each operation is a transaction of its own within the turn, so one that throws
 * undoes its own writes only; and no caller hears of success before the commit, because the output gate holds replies.
 */
export class GroupCommit {
  readonly #expectsCompany: () => boolean;
  #waiting: (() => void)[] = [];

  /** @param expectsCompany whether other calls are likely to write within the next milliseconds */
  constructor(expectsCompany: () => boolean) {
    this.#expectsCompany = expectsCompany;
  }

  /** Runs the operation at once, or with those that arrive meanwhile. Rejects with what it throws. */
  run<Result>(operation: () => NotPromise<Result>): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.push(() => {
        try {
          resolve(operation());
        } catch (error) {
          reject(error);
        }
      });
      if (!this.#expectsCompany()) this.#runWaiting();
      else if (this.#waiting.length === 1) void this.#runSoon();
    });
  }

  async #runSoon(): Promise<void> {
    await scheduler.wait(COMPANY_WAIT_MS);
    this.#runWaiting();
  }

  #runWaiting(): void {
    const operations = this.#waiting;
    this.#waiting = [];
    for (const operation of operations) operation();
  }
}
