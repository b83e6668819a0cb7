/** What came back from a facilitator, before anybody judges it. */
export type FacilitatorReply =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** Parsed JSON; undefined when the body was not JSON or larger than the cap. */
      readonly body: unknown;
      /** From Retry-After, milliseconds from now; null when there was none that could be read. */
      readonly retryAfterMs: number | null;
    }
  /**
   * No complete answer. In workerd a connection that was refused is reported exactly like one that was reset after the
   * request had been read ("Network connection lost."), so this never proves that nothing was sent.
   */
  | { readonly kind: "unanswered"; readonly failure: "timeout" | "unreachable" };

/** Longer than this, a facilitator does not know either; it is asked again and may say so again. */
const RETRY_AFTER_MS_MAX = 5 * 60_000;

/** Parses Retry-After (RFC 9110, 10.2.3): seconds or a date. At most five minutes; null when it says nothing. */
export function parseRetryAfter(value: string | null, nowMs: number): number | null {
  if (value === null) return null;
  const text = value.trim();
  const delayMs = /^[0-9]{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  if (!(delayMs > 0)) return null;
  return Math.min(delayMs, RETRY_AFTER_MS_MAX);
}
