import type { D1Migration } from "cloudflare:test";

declare global {
  namespace Cloudflare {
    interface Env {
      /** Only in the Workers test pool (vitest.config.ts). */
      MIGRATIONS: D1Migration[];
      /** Only there too. */
      LOADER: WorkerLoader;
    }
  }
}
