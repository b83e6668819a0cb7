import { RATE_LIMIT_MS } from "./circuit-breaker.ts";
import type { ObservedCall } from "./health-messages.ts";
import { type Operation, isFailure } from "./health-signal.ts";
import type { FacilitatorId } from "./port.ts";

/** Another facilitator goes first for this long after a failure: until the shared breaker has heard of it. */
const SUSPICION_MS = 3_000;
/** An answer this recent makes it unnecessary to ask whether a facilitator can be reached. */
const ANSWER_FRESH_MS = 10_000;

/** What this isolate itself just saw, known here before any shared state can know it. */
export class RecentCalls {
  readonly #failedAtMs = new Map<string, number>();
  readonly #limitedUntilMs = new Map<string, number>();
  readonly #answeredAtMs = new Map<FacilitatorId, number>();

  record(call: ObservedCall, endedAtMs: number): void {
    const { facilitatorId, operation, signal, retryAfterMs } = call;
    const key = keyOf(facilitatorId, operation);
    if (isFailure(signal)) this.#failedAtMs.set(key, endedAtMs);
    else this.#failedAtMs.delete(key);
    if (signal === "rate_limited") {
      this.#limitedUntilMs.set(key, endedAtMs + (retryAfterMs ?? RATE_LIMIT_MS));
    }
    if (signal !== "unreachable" && signal !== "timeout") {
      this.#answeredAtMs.set(facilitatorId, endedAtMs);
    }
  }

  /** A facilitator that can't verify is not trusted to settle; the other way round says nothing. */
  isSuspect(facilitatorId: FacilitatorId, operation: Operation, nowMs: number): boolean {
    const relevant: readonly Operation[] =
      operation === "verify" ? ["verify"] : ["verify", "settle"];
    return relevant.some((each) =>
      isWithin(this.#failedAtMs.get(keyOf(facilitatorId, each)), SUSPICION_MS, nowMs),
    );
  }

  /** Milliseconds since the epoch; 0 when it never limited us. */
  rateLimitedUntilMs(facilitatorId: FacilitatorId, operation: Operation): number {
    return this.#limitedUntilMs.get(keyOf(facilitatorId, operation)) ?? 0;
  }

  hasAnswered(facilitatorId: FacilitatorId, nowMs: number): boolean {
    return isWithin(this.#answeredAtMs.get(facilitatorId), ANSWER_FRESH_MS, nowMs);
  }
}

function isWithin(atMs: number | undefined, durationMs: number, nowMs: number): boolean {
  return atMs !== undefined && nowMs - atMs < durationMs;
}

function keyOf(facilitatorId: FacilitatorId, operation: Operation): string {
  return `${operation}:${facilitatorId}`;
}
