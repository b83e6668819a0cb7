/** Virtual time: what is scheduled runs in order, and everything it sets off settles before time moves on. */

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
}

export class Clock {
  nowMs: number;
  #sequence = 0;
  /** A binary heap: earliest first, in order of scheduling among equals. */
  readonly #heap: Timer[] = [];

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  at(atMs: number, run: () => void): void {
    this.#sequence += 1;
    this.#push({ atMs: Math.max(atMs, this.nowMs), sequence: this.#sequence, run });
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Runs until nothing is scheduled before the given time. `onStep` runs after each step has settled. */
  async runUntil(untilMs: number, onStep: () => void): Promise<void> {
    for (;;) {
      const timer = this.#heap[0];
      if (timer === undefined || timer.atMs > untilMs) return;
      this.#pop();
      this.nowMs = timer.atMs;
      timer.run();
      await microtasksSettled();
      onStep();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    heap.push(timer);
    for (let index = heap.length - 1; index > 0;) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let index = 0; ;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const child = isEarlier(heap[right], heap[left]) ? right : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #swapIfEarlier(child: number, parent: number): boolean {
    const heap = this.#heap;
    const [lower, upper] = [heap[child], heap[parent]];
    if (lower === undefined || upper === undefined || !isEarlier(lower, upper)) return false;
    heap[child] = upper;
    heap[parent] = lower;
    return true;
  }
}

function isEarlier(first: Timer | undefined, second: Timer | undefined): boolean {
  if (first === undefined || second === undefined) return false;
  return first.atMs === second.atMs ? first.sequence < second.sequence : first.atMs < second.atMs;
}

/** Node runs all microtasks before the next tick; unlike an immediate, that costs no turn of the event loop. */
function microtasksSettled(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}
