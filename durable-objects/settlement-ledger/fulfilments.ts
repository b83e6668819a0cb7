/** Which handlers of upfront payments are running now, in memory: each runs in one place at a time. */

/** Longer than the handler deadline of every plan, so that a working edge never loses it. */
const FULFILMENT_LEASE_MS = 60_000;

/** From this many on, those of dead edges are swept out before another is added. */
const SWEEP_AT = 1_000;

interface RunningFulfilment {
  readonly attempt: number;
  readonly leaseExpiresAtMs: number;
}

export class Fulfilments {
  readonly #byPayment = new Map<string, RunningFulfilment>();

  /** Those of dead edges included. */
  get size(): number {
    return this.#byPayment.size;
  }

  liveCount(nowMs: number): number {
    return [...this.#byPayment.keys()].filter((paymentId) => this.isRunning(paymentId, nowMs))
      .length;
  }

  isRunning(paymentId: string, nowMs: number): boolean {
    const running = this.#byPayment.get(paymentId);
    if (running === undefined) return false;
    if (running.leaseExpiresAtMs > nowMs) return true;
    // Its edge died. The run was counted when it started.
    this.#byPayment.delete(paymentId);
    return false;
  }

  start(paymentId: string, attempt: number, nowMs: number): void {
    if (this.#byPayment.size >= SWEEP_AT) {
      for (const known of this.#byPayment.keys()) this.isRunning(known, nowMs);
    }
    const leaseExpiresAtMs = nowMs + FULFILMENT_LEASE_MS;
    this.#byPayment.set(paymentId, { attempt, leaseExpiresAtMs });
  }

  /** A run whose lease had ended does not end the one that took over. */
  end(paymentId: string, attempt: number): void {
    if (this.#byPayment.get(paymentId)?.attempt === attempt) this.#byPayment.delete(paymentId);
  }
}
