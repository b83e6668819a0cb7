/** Settle calls at once to a facilitator that has not answered in this drain: enough to find out whether it does. */
export const SLOTS_AT_FIRST = 2;
/** To one that answers: one less than the drain has, so that it can't hold up the others should it stop answering. */
const SLOTS_ANSWERING = 5;
/** Slower than this is no answer for what waits behind it. A settlement takes one or two seconds. */
const ANSWER_MS_MAX = 5_000;

interface Facilitator {
  taken: number;
  answers: boolean;
  /** Payments that wait for a slot here, the longest-waiting first. */
  readonly waiting: string[];
}

/** Who may be called during one drain: a facilitator that hangs gets few of the drain's connections, and the others go on. */
export class SettleSlots {
  readonly #facilitators = new Map<string, Facilitator>();

  /** Takes a slot, or puts the payment in line for one. @returns whether it was taken */
  take(facilitatorId: string, paymentId: string): boolean {
    const facilitator = this.#of(facilitatorId);
    if (!hasRoom(facilitator)) {
      facilitator.waiting.push(paymentId);
      return false;
    }
    facilitator.taken += 1;
    return true;
  }

  /** @param tookMs how long the call took */
  giveBack(facilitatorId: string, tookMs: number): void {
    const facilitator = this.#of(facilitatorId);
    facilitator.taken -= 1;
    facilitator.answers = tookMs <= ANSWER_MS_MAX;
  }

  /** Takes a payment out of the line of a facilitator that has room for it. */
  nextWaiting(): string | null {
    for (const facilitator of this.#facilitators.values()) {
      if (hasRoom(facilitator) && facilitator.waiting.length > 0) {
        return facilitator.waiting.shift() ?? null;
      }
    }
    return null;
  }

  /** Payments that wait for facilitators that do not answer. */
  waitingInVain(): string[] {
    return [...this.#facilitators.values()].flatMap(({ answers, waiting }) =>
      answers ? [] : waiting,
    );
  }

  #of(facilitatorId: string): Facilitator {
    const known = this.#facilitators.get(facilitatorId);
    if (known !== undefined) return known;
    const unknown: Facilitator = { taken: 0, answers: false, waiting: [] };
    this.#facilitators.set(facilitatorId, unknown);
    return unknown;
  }
}

function hasRoom({ taken, answers }: Facilitator): boolean {
  return taken < (answers ? SLOTS_ANSWERING : SLOTS_AT_FIRST);
}
