import type { Operation } from "./health-signal.ts";
import type { FacilitatorId } from "./port.ts";

export interface HeldProbe {
  readonly probeId: string;
  readonly epoch: number;
  /** When it can no longer be made; its lease lasts until it would be over. */
  readonly expiresAtMs: number;
}

/** A request for a lease that was not answered by then was lost with the call that made it. */
const REQUEST_LOST_MS = 5_000;

/** Rights to probe that this isolate was granted and has not used yet: at most one per breaker. */
export class ProbeLeases {
  readonly #held = new Map<string, HeldProbe>();
  readonly #requestedAtMs = new Map<string, number>();

  /** Whether a lease should be asked for; the asker has to report back by `answered`. */
  request(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): boolean {
    const key = keyOf(facilitatorId, operation);
    const requestedAtMs = this.#requestedAtMs.get(key) ?? Number.NEGATIVE_INFINITY;
    if (this.holds(facilitatorId, operation, nowMs) || nowMs - requestedAtMs < REQUEST_LOST_MS) {
      return false;
    }
    this.#requestedAtMs.set(key, nowMs);
    return true;
  }

  /** @param probe null when it was denied or could not be asked for */
  answered(facilitatorId: FacilitatorId, operation: Operation, probe: HeldProbe | null): void {
    const key = keyOf(facilitatorId, operation);
    this.#requestedAtMs.delete(key);
    if (probe !== null) this.#held.set(key, probe);
  }

  holds(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): boolean {
    const probe = this.#held.get(keyOf(facilitatorId, operation));
    return probe !== undefined && probe.expiresAtMs > nowMs;
  }

  /** Uses a lease up: the caller makes the probe now. Null when none is held. */
  take(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): HeldProbe | null {
    const key = keyOf(facilitatorId, operation);
    const probe = this.#held.get(key);
    this.#held.delete(key);
    return probe !== undefined && probe.expiresAtMs > nowMs ? probe : null;
  }
}

function keyOf(facilitatorId: FacilitatorId, operation: Operation): string {
  return `${operation}:${facilitatorId}`;
}
