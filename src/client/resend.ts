/**
 * Sends one payment until it is answered. Sending the same authorization again never pays twice: the chain lets it land
 * once. Signing a new one could, so that is never done here.
 */
import { PaymentError } from "./payment-error.ts";
import { paymentStatusOf } from "./payment-status.ts";
import type { SentPayment } from "./sent-payment.ts";

/** The first pause where the server names none; it doubles with each send. */
const PAUSE_MS = 500;
/** No pause of that kind is longer. What a server names is kept to: where patience ends before, so does the call. */
const PAUSE_MAX_MS = 30_000;
/** No pause is shorter, also where a server says "at once" each time. */
const PAUSE_MIN_MS = 250;

/** @throws PaymentError `outcome_open` when patience ends, or the caller aborts, before there is an answer. */
export async function resendUntilAnswered(
  fetch: typeof globalThis.fetch,
  request: Request,
  payment: SentPayment,
  patienceMs: number,
): Promise<Response> {
  const deadlineMs = Date.now() + patienceMs;
  for (let sends = 1; ; sends += 1) {
    const answer = await send(fetch, request);
    if ("response" in answer && !asksForResend(answer.response)) return answer.response;
    const pauseMs = pauseOf(answer, sends);
    const isOver = Date.now() + pauseMs > deadlineMs || request.signal.aborted;
    if (isOver && "response" in answer && paymentStatusOf(answer.response) === "not-charged") {
      return answer.response;
    }
    if (isOver) throw new PaymentError("outcome_open", { payment, ...answer });
    await sleep(pauseMs, request.signal);
  }
}

type Answer = { readonly response: Response } | { readonly cause: unknown };

async function send(fetch: typeof globalThis.fetch, request: Request): Promise<Answer> {
  try {
    return { response: await fetch(request.clone()) };
  } catch (cause) {
    return { cause };
  }
}

/** Final without a Retry-After: a conflict stays one, and what was paid upfront may be past its last run. */
const FINAL_UNLESS_TOLD: ReadonlySet<number> = new Set([409, 429, 502]);

function asksForResend({ status, headers }: Response): boolean {
  return status === 503 || (FINAL_UNLESS_TOLD.has(status) && headers.has("Retry-After"));
}

function pauseOf(answer: Answer, sends: number): number {
  const named = "response" in answer ? retryAfterMs(answer.response) : null;
  if (named !== null) return Math.max(named, PAUSE_MIN_MS);
  return Math.min(PAUSE_MS * 2 ** (sends - 1), PAUSE_MAX_MS) * (0.5 + Math.random() / 2);
}

/** Retry-After is a number of seconds or a date (RFC 9110 section 10.2.3). */
function retryAfterMs({ headers }: Response): number | null {
  const text = headers.get("Retry-After");
  if (text === null) return null;
  const pauseMs = /^[0-9]+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(pauseMs) ? pauseMs : null;
}

/** Ends early when the caller aborts. */
function sleep(pauseMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, pauseMs);
    signal.addEventListener("abort", done);
  });
}
