/** Callers that wait for a payment to move on, so that concurrent sends of it get one answer. */

/** Beyond this many at once a resend is told to come back instead of being held. */
const WAITERS_MAX = 1_000;

export class Waiters {
  readonly #byPayment = new Map<string, Set<() => void>>();
  #count = 0;

  /** Resolves when the payment changes, or after `timeoutMs`, or at once when too many wait already. */
  async wait(paymentId: string, timeoutMs: number): Promise<void> {
    if (this.#count >= WAITERS_MAX) return;
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
