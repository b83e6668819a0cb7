import type { D1Migration } from "cloudflare:test";

declare global {
  namespace Cloudflare {
    interface Env {
      /** Only in the Workers test pool (vitest.config.ts). */
      MIGRATIONS: D1Migration[];
      /** Only there too: in production the signer's Worker has it, and no other. */
      DEPOSIT_SEED: string;
      /** Only there too: the token of the operator `tests`. */
      OPERATOR_TOKEN: string;
      /** Only there too. */
      LOADER: WorkerLoader;
    }
  }
}
