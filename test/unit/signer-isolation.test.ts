/** The seed is in one Worker only: neither the code that reads it nor its name is in any other one. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import { PROJECT_ROOT, bundleWorker } from "../../src/local/bundle.ts";

/** What names the seed, and what derives keys from it. */
const TRACES = ["DEPOSIT_SEED", "402claw/deposit/", "DepositSigner"];

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "claw-signer-"));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Which of the traces are in a Worker's code. */
async function tracesIn(entryPoint: string): Promise<string[]> {
  const path = await bundleWorker({ entryPoint, outDir: join(directory, entryPoint) });
  const code = await readFile(path, "utf8");
  return TRACES.filter((trace) => code.includes(trace));
}

it("the signer's code has what the dispatcher's and the egress Worker's have nothing of", async () => {
  expect(await tracesIn("src/signer/signer-worker.ts")).toEqual(TRACES);
  expect(await tracesIn("src/index.ts")).toEqual([]);
  expect(await tracesIn("src/runtime/egress/outbound-worker.ts")).toEqual([]);
});

describe.each(["staging", "production"])("in %s", (env) => {
  const dispatcher = readConfig({ config: join(PROJECT_ROOT, "wrangler.toml"), env });
  const signer = readConfig({ config: join(PROJECT_ROOT, "src/signer/wrangler.toml"), env });

  it("the dispatcher asks the signer, which has no address of its own", () => {
    expect(dispatcher.services).toContainEqual({
      binding: "DEPOSIT_SIGNER",
      service: signer.name,
      entrypoint: "DepositSigner",
    });
    const { workers_dev, preview_urls, routes = [], route } = signer;
    expect({ workers_dev, preview_urls, routes, route }).toEqual({
      workers_dev: false,
      preview_urls: false,
      routes: [],
      route: undefined,
    });
  });

  it("both read the same directory and the same chains, in the same environment", () => {
    expect(signer.d1_databases[0]?.database_id).toBe(dispatcher.d1_databases[0]?.database_id);
    for (const name of ["ENVIRONMENT", "NETWORKS"]) {
      expect(signer.vars[name]).toBe(dispatcher.vars[name]);
    }
  });

  it("no seed is in a file", () => {
    expect({ ...dispatcher.vars, ...signer.vars }).not.toHaveProperty("DEPOSIT_SEED");
  });
});

it("locally the dispatcher has no seed either", () => {
  const { vars } = readConfig({ config: join(PROJECT_ROOT, "wrangler.toml"), env: "local" });
  expect(vars).not.toHaveProperty("DEPOSIT_SEED");
});
