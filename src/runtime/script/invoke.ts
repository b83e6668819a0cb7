/** One call of a script through whatever fetcher reaches it: its deadline, and what its failures mean. */
import type { ScriptLimits, ScriptOutcome } from "./script-runtime.ts";

/** A message is for logs; a script chooses its own and may choose a long one. */
const REASON_CHARACTERS_MAX = 300;

/** What is thrown when a limit is passed. A script that throws such words itself only fails another way. */
const LIMIT_MESSAGES = [
  [/exceeded (?:its )?cpu/i, "cpu"],
  [/exceeded (?:its )?memory/i, "memory"],
  [/too many subrequests/i, "subrequests"],
  [/too many bytes of subrequests/i, "egress_bytes"],
] as const;

/** @param makeFetcher may throw too: a script that is not there is noticed at either moment */
export async function invoke(
  makeFetcher: () => Pick<Fetcher, "fetch">,
  request: Request,
  { deadlineMs }: Pick<ScriptLimits, "deadlineMs">,
): Promise<ScriptOutcome> {
  const abort = new AbortController();
  const cancelled = AbortSignal.any([request.signal, abort.signal]);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<ScriptOutcome>((resolve) => {
    timer = setTimeout(() => {
      resolve({ result: "limit_exceeded", limit: "deadline" });
      abort.abort();
    }, deadlineMs);
  });
  try {
    const answered = makeFetcher()
      .fetch(new Request(request, { signal: cancelled, redirect: "manual" }))
      .then((response): ScriptOutcome => ({ result: "answered", response }), explainThrow);
    return await Promise.race([answered, expired]);
  } catch (error) {
    return explainThrow(error);
  } finally {
    clearTimeout(timer);
  }
}

function explainThrow(error: unknown): ScriptOutcome {
  const reason = messageOf(error);
  for (const [pattern, limit] of LIMIT_MESSAGES) {
    if (pattern.test(reason)) return { result: "limit_exceeded", limit };
  }
  return /^worker not found/i.test(reason)
    ? { result: "unavailable", reason }
    : { result: "failed", reason };
}

/** What was thrown, in words short enough to log. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, REASON_CHARACTERS_MAX);
}
