/** Callers that wait for a payment to move on, so that concurrent sends of it get one answer. */

/** Beyond this many at once a resend is told to come back instead of being held. */
export const WAITERS_MAX = 1_000;

export class Waiters {
  readonly #byPayment = new Map<string, Set<() => void>>();
  #count = 0;

  /** To be asked before `wait`: whoever tried again at once would hold up everybody else, for no time passes then. */
  get isFull(): boolean {
    return this.#count >= WAITERS_MAX;
  }

  /** Resolves when the payment changes, or after `timeoutMs`. */
  async wait(paymentId: string, timeoutMs: number): Promise<void> {
    const waiting = this.#byPayment.get(paymentId) ?? new Set();
    this.#byPayment.set(paymentId, waiting);
    this.#count += 1;
    await new Promise<void>((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        waiting.delete(finish);
        if (waiting.size === 0) this.#byPayment.delete(paymentId);
        this.#count -= 1;
        resolve();
      };
      const timer = setTimeout(finish, timeoutMs);
      waiting.add(finish);
    });
  }

  /** Wakes everyone who waits for the payment. */
  notify(paymentId: string): void {
    for (const finish of this.#byPayment.get(paymentId) ?? []) finish();
  }
}
