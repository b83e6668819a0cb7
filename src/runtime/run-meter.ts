import type { HandlerUsage } from "../contracts/ledger.ts";

/** Measures one run of a handler, as far as that can be done from outside (docs/containment.md). */
export class RunMeter {
  readonly #cpuMsMax: number;
  #startedAtMs: number | null = null;
  #endedAtMs: number | null = null;
  #egressBytes = 0;
  #limitError = false;

  /** @param cpuMsMax what the runtime lets one run use of CPU; 0 where only the platform's own code runs */
  constructor(cpuMsMax: number) {
    this.#cpuMsMax = cpuMsMax;
  }

  start(nowMs: number): void {
    this.#startedAtMs = nowMs;
  }

  end(nowMs: number): void {
    this.#endedAtMs = nowMs;
  }

  addEgressBytes(bytes: number): void {
    this.#egressBytes += bytes;
  }

  /** The run has passed a limit of one run. */
  limitExceeded(): void {
    this.#limitError = true;
  }

  /** What was used until now, or until the run ended; null when it did not start. */
  usage(nowMs: number): HandlerUsage | null {
    if (this.#startedAtMs === null) return null;
    const durationMs = Math.max(0, (this.#endedAtMs ?? nowMs) - this.#startedAtMs);
    return {
      durationMs,
      // Nobody tells how much it was: not more than this.
      cpuMs: Math.min(durationMs, this.#cpuMsMax),
      egressBytes: this.#egressBytes,
      limitError: this.#limitError,
    };
  }
}
