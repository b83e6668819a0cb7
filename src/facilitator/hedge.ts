/**
 * Asks a second one when the first takes unusually long, and goes by whoever answers first ("The Tail at Scale", Dean
 * and Barroso 2013). After the 95th percentile of the usual time that is one more call in twenty, for the slowest ones.
 */
export interface Hedge<Answer> {
  readonly afterMs: number;
  readonly askSecond: () => Promise<Answer>;
  /** Whether an answer ends the question, so that the other one need not be waited for. */
  readonly isConclusive: (answer: Answer) => boolean;
}

/**
 * The answers to go by: the first that is conclusive alone, or all that were asked for, in order. Whoever is not waited
 * for any more goes on by itself.
 */
export async function hedged<Answer>(
  first: Promise<Answer>,
  { afterMs, askSecond, isConclusive }: Hedge<Answer>,
): Promise<readonly Answer[]> {
  if (await isSettledWithin(first, afterMs)) return [await first];
  const second = askSecond();
  const conclusive = async (asked: Promise<Answer>): Promise<Answer> => {
    const answer = await asked;
    if (!isConclusive(answer)) throw new Error("inconclusive");
    return answer;
  };
  try {
    return [await Promise.any([conclusive(first), conclusive(second)])];
  } catch {
    return await Promise.all([first, second]);
  }
}

async function isSettledWithin(promise: Promise<unknown>, durationMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), durationMs);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
