/** Bundles the Worker for the embedded platform, as `wrangler deploy` would for the network. */
import { join, resolve } from "node:path";
import { build, stop } from "esbuild";

/** The directory that has `package.json` and `wrangler.toml`. */
export const PROJECT_ROOT = resolve(import.meta.dirname, "../..");

export interface BundleOptions {
  /** Where `worker.js` and its source map go. */
  readonly outDir: string;
  readonly minify?: boolean;
  /** Relative to the project; the product's own when left out. */
  readonly entryPoint?: string;
  /** Modules left out besides the runtime's own: imports that are never reached. */
  readonly external?: readonly string[];
}

/** Writes the bundle and returns its path. @throws Error with esbuild's messages when the sources do not build. */
export async function bundleWorker(options: BundleOptions): Promise<string> {
  const outfile = join(options.outDir, "worker.js");
  try {
    await build({
      absWorkingDir: PROJECT_ROOT,
      entryPoints: [options.entryPoint ?? "src/index.ts"],
      outfile,
      bundle: true,
      format: "esm",
      target: "es2024",
      conditions: ["workerd", "worker", "browser"],
      external: ["cloudflare:*", "node:*", ...(options.external ?? [])],
      minify: options.minify ?? false,
      sourcemap: "linked",
      logLevel: "silent",
    });
  } finally {
    // esbuild keeps a process for further builds; there are none.
    await stop();
  }
  return outfile;
}
