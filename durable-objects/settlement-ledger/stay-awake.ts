/**
 * Keeps the object in memory while it has calls that are nowhere else: a claim is lost with the object, and the runtime
 * lets go of one that gets no requests (workerd after 10 seconds) while a handler may run for 30.
 */

/** So long at most the object stays after its last call. */
const CHECK_INTERVAL_MS = 2_000;

export class StayAwake {
  readonly #context: Pick<DurableObjectState, "waitUntil">;
  readonly #hasCalls: () => boolean;
  #isAwake = false;

  constructor(context: Pick<DurableObjectState, "waitUntil">, hasCalls: () => boolean) {
    this.#context = context;
    this.#hasCalls = hasCalls;
  }

  /** From now on, until there are no calls. */
  begin(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#context.waitUntil(this.#wait());
  }

  async #wait(): Promise<void> {
    while (this.#hasCalls()) await scheduler.wait(CHECK_INTERVAL_MS);
    this.#isAwake = false;
  }
}
