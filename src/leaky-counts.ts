/** Keys at once; beyond, the one that was counted first is forgotten. About 2 MB. */
const KEYS_MAX = 20_000;

/**
 * Counts per key that fall by one per interval: how many there were lately, in one number each (the time at which the
 * count is back at zero).
 */
export class LeakyCounts {
  readonly #intervalMs: number;
  readonly #zeroAtMs = new Map<string, number>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** Rounded up: what has begun to fall still counts. */
  of(key: string, nowMs: number): number {
    const zeroAtMs = this.#zeroAtMs.get(key) ?? nowMs;
    return Math.max(0, Math.ceil((zeroAtMs - nowMs) / this.#intervalMs));
  }

  add(key: string, nowMs: number): void {
    const zeroAtMs = Math.max(nowMs, this.#zeroAtMs.get(key) ?? nowMs);
    if (!this.#zeroAtMs.has(key) && this.#zeroAtMs.size >= KEYS_MAX) this.#makeRoom(nowMs);
    this.#zeroAtMs.set(key, zeroAtMs + this.#intervalMs);
  }

  /** Undoes one `add`. */
  takeBack(key: string): void {
    const zeroAtMs = this.#zeroAtMs.get(key);
    if (zeroAtMs !== undefined) this.#zeroAtMs.set(key, zeroAtMs - this.#intervalMs);
  }

  #makeRoom(nowMs: number): void {
    for (const [key, zeroAtMs] of this.#zeroAtMs) {
      if (zeroAtMs <= nowMs) this.#zeroAtMs.delete(key);
    }
    const [first] = this.#zeroAtMs.keys();
    if (first !== undefined && this.#zeroAtMs.size >= KEYS_MAX) this.#zeroAtMs.delete(first);
  }
}
