/** Calls of one second, by tenant. */
interface Second {
  readonly startMs: number;
  readonly calls: Map<string, number>;
}

/** What we hold ourselves to while a facilitator limits us. */
interface Limit {
  readonly callsPerSecond: number;
  /** Once it has grown to this, nothing is left of the 429 that set it. */
  readonly forgottenAt: number;
}

const SECOND_MS = 1_000;
/** What is left of our rate after a 429: half, as any sender halves on congestion (AIMD). */
const DECREASE = 0.5;
/** What comes back of it with every second without one: all of it in three seconds, twice as much in seven. */
const INCREASE = 0.25;
/** What one 429 leaves of any rate. Fewer calls need no sharing, and what limited them need not have been ours. */
const FIRST_LIMIT_MIN = 5;
/** What many in a row leave. */
const LIMIT_MIN = 1;
/** Tenants counted one by one; more of them in one isolate and second share what is left as one. */
const TENANTS_MAX = 1_000;
const EVERYBODY_ELSE = "";

/**
 * Divides what a facilitator lets through between the tenants that want it, while it limits us. The limit is found
 * out: it halves with each 429 and grows back in seconds. Within it every tenant has an equal share, and what some
 * leave over the others may use, so one busy tenant can't take the facilitator from the rest. How long to stay away
 * altogether is the facilitator's to say (`Retry-After`), and not looked at here.
 *
 * One object per facilitator and isolate: the limit is per address, and isolates have no time to agree.
 */
export class FairShares {
  #second: Second = { startMs: 0, calls: new Map() };
  #lastSecond: Second = { startMs: 0, calls: new Map() };
  /** Null while nobody limits us. */
  #limit: Limit | null = null;
  #limitedAtMs = Number.NEGATIVE_INFINITY;

  /** Whether a tenant may call now; counts the call when it may. */
  admit(tenantId: string, nowMs: number): boolean {
    this.#advance(nowMs);
    const { calls } = this.#second;
    const tenant = calls.has(tenantId) || calls.size < TENANTS_MAX ? tenantId : EVERYBODY_ELSE;
    const taken = calls.get(tenant) ?? 0;
    if (this.#limit !== null && !this.#hasRoom(tenant, taken, this.#limit.callsPerSecond)) {
      return false;
    }
    calls.set(tenant, taken + 1);
    return true;
  }

  /** Notes a 429. Those that answer calls of the same second are one. */
  limited(nowMs: number): void {
    this.#advance(nowMs);
    if (nowMs - this.#limitedAtMs < SECOND_MS) return;
    this.#limitedAtMs = nowMs;
    if (this.#limit === null) {
      const rate = Math.max(total(this.#second), total(this.#lastSecond));
      const callsPerSecond = Math.max(FIRST_LIMIT_MIN, Math.floor(rate * DECREASE));
      this.#limit = { callsPerSecond, forgottenAt: 2 * Math.max(rate, callsPerSecond) };
      return;
    }
    const callsPerSecond = Math.max(LIMIT_MIN, Math.floor(this.#limit.callsPerSecond * DECREASE));
    this.#limit = { ...this.#limit, callsPerSecond };
  }

  /** Below its share a tenant may always call; above it, only what the others are not about to use of theirs. */
  #hasRoom(tenant: string, taken: number, limit: number): boolean {
    const tenants = new Set([
      ...this.#lastSecond.calls.keys(),
      ...this.#second.calls.keys(),
      tenant,
    ]);
    const share = Math.max(1, Math.floor(limit / tenants.size));
    if (taken < share) return true;
    let reserved = 0;
    for (const other of tenants) {
      if (other === tenant) continue;
      const wanted = (this.#lastSecond.calls.get(other) ?? 0) + 1;
      reserved += Math.max(0, Math.min(share, wanted) - (this.#second.calls.get(other) ?? 0));
    }
    return total(this.#second) + reserved < limit;
  }

  #advance(nowMs: number): void {
    const elapsed = Math.floor((nowMs - this.#second.startMs) / SECOND_MS);
    if (elapsed < 1) return;
    const startMs = nowMs - (nowMs % SECOND_MS);
    this.#lastSecond = elapsed === 1 ? this.#second : { startMs, calls: new Map() };
    this.#second = { startMs, calls: new Map() };
    this.#limit = this.#limit === null ? null : grown(this.#limit, elapsed);
  }
}

function grown({ callsPerSecond, forgottenAt }: Limit, seconds: number): Limit | null {
  let grownTo = callsPerSecond;
  for (let second = 0; second < seconds; second += 1) {
    grownTo += Math.max(1, Math.floor(grownTo * INCREASE));
    if (grownTo >= forgottenAt) return null;
  }
  return { callsPerSecond: grownTo, forgottenAt };
}

function total({ calls }: Second): number {
  return [...calls.values()].reduce((sum, count) => sum + count, 0);
}
