/**
 * What a tenant's invocations used, in one isolate. The id that tells invocations apart passes through the tenant's own
 * code, which can send another one: so the tenant's sum over a window is capped too, whatever the ids say.
 */
import type { EgressProps } from "./props.ts";

/** Longer than any handler may run (30 s), so that no invocation starts counting anew. */
const INVOCATION_MS = 60_000;

/** About 150 bytes each: 1.5 MB of an isolate's 128. */
const INVOCATIONS_MAX = 10_000;
const TENANTS_MAX = 10_000;

/** Ten invocations a second, each at its limit, or many more that use a part of it. */
const WINDOW_MS = 10_000;
const WINDOW_INVOCATIONS = 100;

const INVOCATION_ID_PATTERN = /^[\w-]{1,64}$/;

interface Usage {
  readonly startedAtMs: number;
  subrequests: number;
  bytes: number;
}

/** One admitted subrequest's share in the limits. */
export interface Allowance {
  /** Bytes that may still pass, in either direction. */
  readonly bytesLeft: number;
  /** Counts bytes that are about to pass. @returns whether they still may */
  takeBytes(bytes: number): boolean;
}

export class UsageMeter {
  /** Oldest first, as Maps keep the order of insertion. */
  readonly #invocations = new Map<string, Usage>();
  readonly #tenants = new Map<string, Usage>();

  /**
   * Counts one subrequest.
   *
   * @param invocationId as the tenant's code sent it; null, or nothing like an id, leaves the window's limit alone
   * @returns null when the limit is reached
   */
  admit(props: EgressProps, invocationId: string | null, nowMs: number): Allowance | null {
    const { tenantId, maxSubrequests, maxBytes } = props;
    const tenant = usageOf(this.#tenants, tenantId, nowMs, WINDOW_MS, TENANTS_MAX);
    const isId = invocationId !== null && INVOCATION_ID_PATTERN.test(invocationId);
    // The tenant's name has no space: no two tenants share an invocation.
    const key = `${tenantId} ${invocationId}`;
    const invocation = isId
      ? usageOf(this.#invocations, key, nowMs, INVOCATION_MS, INVOCATIONS_MAX)
      : { startedAtMs: nowMs, subrequests: 0, bytes: 0 };
    tenant.subrequests += 1;
    invocation.subrequests += 1;
    if (invocation.subrequests > maxSubrequests) return null;
    if (tenant.subrequests > maxSubrequests * WINDOW_INVOCATIONS) return null;
    const bytesLeft = () =>
      Math.min(maxBytes - invocation.bytes, maxBytes * WINDOW_INVOCATIONS - tenant.bytes);
    return {
      get bytesLeft() {
        return Math.max(bytesLeft(), 0);
      },
      takeBytes(bytes) {
        tenant.bytes += bytes;
        invocation.bytes += bytes;
        return bytesLeft() >= 0;
      },
    };
  }
}

function usageOf(
  usages: Map<string, Usage>,
  key: string,
  nowMs: number,
  keptMs: number,
  entriesMax: number,
): Usage {
  const known = usages.get(key);
  if (known !== undefined && nowMs - known.startedAtMs < keptMs) return known;
  usages.delete(key);
  const usage: Usage = { startedAtMs: nowMs, subrequests: 0, bytes: 0 };
  usages.set(key, usage);
  if (usages.size > entriesMax) {
    const [oldest] = usages.keys();
    if (oldest !== undefined) usages.delete(oldest);
  }
  return usage;
}
