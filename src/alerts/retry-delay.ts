export interface AlertRetry {
  /** Longest wait before the second attempt. */
  readonly firstSeconds: number;
  /** Longest wait of all. */
  readonly maxSeconds: number;
}

export const DEFAULT_ALERT_RETRY: AlertRetry = { firstSeconds: 5, maxSeconds: 12 * 3_600 };

/** Short outages are bridged within a minute, and ten attempts last longer than a day. */
const FACTOR = 4;

/**
 * Seconds to wait after an attempt that failed: they grow by a factor of four up to the longest, and lie anywhere
 * between half and the whole of that, so that a receiver that comes back is not met by everything at once.
 *
 * @param attempt the one that failed: 1, 2, …
 * @param random in [0, 1)
 */
export function retryDelaySeconds(
  attempt: number,
  { firstSeconds, maxSeconds }: AlertRetry,
  random: number,
): number {
  const longest = Math.min(maxSeconds, firstSeconds * FACTOR ** (attempt - 1));
  return Math.ceil((longest * (1 + random)) / 2);
}
