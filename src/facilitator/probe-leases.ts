import type { Operation } from "./health-signal.ts";
import type { FacilitatorId } from "./port.ts";

export interface HeldProbe {
  readonly probeId: string;
  readonly epoch: number;
  /** When it can no longer be made; its lease lasts until it would be over. */
  readonly expiresAtMs: number;
}

/** A settlement that was planned as the probe is staged first; what takes longer has probably ended otherwise. */
const PROMISED_MS = 5_000;
/** A request for a lease that was not answered by then was lost with the call that made it. */
const REQUEST_LOST_MS = 5_000;

/** Rights to probe that this isolate was granted and has not used yet: at most one per breaker. */
export class ProbeLeases {
  readonly #held = new Map<string, HeldProbe>();
  readonly #requestedAtMs = new Map<string, number>();
  readonly #promisedUntilMs = new Map<string, number>();

  /** Whether a lease should be asked for; the asker has to report back by `answered`. */
  request(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): boolean {
    const key = keyOf(facilitatorId, operation);
    const requestedAtMs = this.#requestedAtMs.get(key) ?? Number.NEGATIVE_INFINITY;
    if (this.#isHeld(key, nowMs) || nowMs - requestedAtMs < REQUEST_LOST_MS) return false;
    this.#requestedAtMs.set(key, nowMs);
    return true;
  }

  /** @param probe null when it was denied or could not be asked for */
  answered(facilitatorId: FacilitatorId, operation: Operation, probe: HeldProbe | null): void {
    const key = keyOf(facilitatorId, operation);
    this.#requestedAtMs.delete(key);
    if (probe !== null) this.#held.set(key, probe);
    this.#promisedUntilMs.delete(key);
  }

  /** Whether a call that is planned now could make the probe: the lease is here, and promised to no other call. */
  isFree(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): boolean {
    const key = keyOf(facilitatorId, operation);
    return this.#isHeld(key, nowMs) && (this.#promisedUntilMs.get(key) ?? 0) <= nowMs;
  }

  /** Keeps other calls from planning with the lease until the one that does has had time to use it. */
  promise(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): void {
    this.#promisedUntilMs.set(keyOf(facilitatorId, operation), nowMs + PROMISED_MS);
  }

  /** Uses a lease up: the caller makes the probe now. Null when none is held. */
  take(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): HeldProbe | null {
    const key = keyOf(facilitatorId, operation);
    const probe = this.#held.get(key);
    this.#held.delete(key);
    return probe !== undefined && probe.expiresAtMs > nowMs ? probe : null;
  }

  #isHeld(key: string, nowMs: number): boolean {
    const probe = this.#held.get(key);
    return probe !== undefined && probe.expiresAtMs > nowMs;
  }
}

function keyOf(facilitatorId: FacilitatorId, operation: Operation): string {
  return `${operation}:${facilitatorId}`;
}
