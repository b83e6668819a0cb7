/** What is told when no token ever comes back. */
const NEVER_RETRY_MS = 60_000;

/** A rate limit in two numbers: tokens come back evenly, up to one second's worth. In memory. */
export class TokenBucket {
  #tokens = Infinity;
  #atMs = 0;

  /**
   * Takes one token.
   * @param perSecond how many come back; may change from call to call
   * @returns null when there was one, otherwise in how many milliseconds there is
   */
  take(perSecond: number, nowMs: number): number | null {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#tokens = Math.min(perSecond, this.#tokens + (elapsedMs * perSecond) / 1_000);
    this.#atMs = nowMs;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return null;
    }
    return perSecond <= 0 ? NEVER_RETRY_MS : Math.ceil(((1 - this.#tokens) * 1_000) / perSecond);
  }

  /** Undoes one `take`: what it was taken for did not happen. The next `take` keeps it to the capacity. */
  giveBack(): void {
    this.#tokens += 1;
  }
}
