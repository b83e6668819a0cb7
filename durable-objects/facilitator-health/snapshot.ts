/**
 * The stored copy of the health state: an itty-durable object, kept inside the real Durable Object.
 *
 * itty-durable has no RPC, loads nothing before an alarm and does not wait for its own writes (docs/decisions). Used
 * like this none of it matters: the owner loads it once, before any event, and awaits every `persist`. It is the
 * only import of itty-durable, and for state that may be lost: counts, breakers, lists that are fetched again.
 */
import { createDurable } from "itty-durable";
import type { HealthState } from "../../src/facilitator/health-state.ts";

export class HealthSnapshot extends createDurable({ autoPersist: false }) {
  /** Null until something was persisted. */
  health: HealthState | null = null;
}
