/** The signer of an embedded platform: a Worker of its own beside the dispatcher's, as on the network. */
import { dirname, join } from "node:path";
import type { V4WorkerOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions as miniflareWorkerOptions } from "wrangler";
import { PROJECT_ROOT, bundleWorker } from "./bundle.ts";

export interface SignerOptions {
  /** Where its bundle goes. */
  readonly outDir: string;
  /** `DEPOSIT_SEED`, which no other Worker gets, and `NETWORKS`. */
  readonly variables: Readonly<Record<"DEPOSIT_SEED" | "NETWORKS", string>>;
}

/** Bundles it and returns what Miniflare runs; the dispatcher's binding finds it by its name. */
export async function signerWorker({
  outDir,
  variables,
}: SignerOptions): Promise<V4WorkerOptions & { readonly name: string }> {
  const path = await bundleWorker({ entryPoint: "src/signer/signer-worker.ts", outDir });
  const config = join(PROJECT_ROOT, "src/signer/wrangler.toml");
  const { workerOptions } = miniflareWorkerOptions(config, "local");
  return {
    ...workerOptions,
    name: "claw402-signer",
    // Assigned because the type of what wrangler read from its file is unknown.
    bindings: Object.assign({}, workerOptions.bindings, variables),
    modulesRoot: dirname(path),
    modules: [{ type: "ESModule", path }],
  };
}
