/** Calls that a facilitator keeps waiting, until a time is over, somebody releases them, or the facilitator stops. */

export type HoldEnd = "elapsed" | "released" | "stopped";

export class HeldCalls {
  readonly #held = new Set<(end: HoldEnd) => void>();

  get count(): number {
    return this.#held.size;
  }

  /** @param maxMs after which the wait is over by itself */
  hold(maxMs: number): Promise<HoldEnd> {
    return new Promise((resolve) => {
      const end = (how: HoldEnd) => {
        clearTimeout(timer);
        this.#held.delete(end);
        resolve(how);
      };
      const timer = setTimeout(() => end("elapsed"), maxMs);
      this.#held.add(end);
    });
  }

  /** Ends all waits and says how many there were. */
  endAll(how: "released" | "stopped"): number {
    const ends = [...this.#held];
    for (const end of ends) end(how);
    return ends.length;
  }
}
