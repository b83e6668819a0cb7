/** When the engine comes back to a payment. All times are milliseconds. */

/** The chain shows a transfer within a second or two, so the first look is soon. */
const RETRY_DELAY_FIRST_MS = 500;
/** A payment that is still unresolved after minutes waits for a facilitator or for finality, not for us. */
const RETRY_DELAY_MAX_MS = 60_000;
/** Beyond this exponent the delay is at its cap anyway: 500 ms × 2^7 = 64 s. */
const RETRY_EXPONENT_MAX = 7;
/** Spread of each delay, so that payments of one outage do not come back in one wave. */
const JITTER_SHARE = 0.5;

/** Depth 0 needs one block, which local and L2 chains have within seconds. */
const CONFIRM_DELAY_FIRST_MS = 1_000;

/**
 * Exponential backoff with jitter: between one half and the whole of the exponential delay.
 * @param retryCount how many times in a row it was looked at without result, from 0
 * @param jitter random number in [0, 1)
 */
export function retryDelayMs(retryCount: number, jitter: number): number {
  return backoff(RETRY_DELAY_FIRST_MS, retryCount, jitter);
}

/** Like `retryDelayMs`, for a settlement that waits for its confirmation. */
export function confirmDelayMs(retryCount: number, jitter: number): number {
  return backoff(CONFIRM_DELAY_FIRST_MS, retryCount, jitter);
}

function backoff(firstMs: number, retryCount: number, jitter: number): number {
  const full = Math.min(
    firstMs * 2 ** Math.min(retryCount, RETRY_EXPONENT_MAX),
    RETRY_DELAY_MAX_MS,
  );
  return Math.round(full * (1 - JITTER_SHARE * jitter));
}
