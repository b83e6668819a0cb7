import { afterEach, beforeEach, vi } from "vitest";

/** Time that only the test moves, and workerd's `scheduler` on it, for each test of the file. */
export function useVirtualScheduler(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal("scheduler", {
      wait: (durationMs: number) => new Promise((resolve) => setTimeout(resolve, durationMs)),
    });
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });
}
