/**
 * Pays with the unmodified x402 v1 clients at a running platform and a local chain: `npm run conformance:v1`. Their
 * packages are installed in a temporary folder, because they bring 700 MB along. With `--record` the requests that carry
 * the payments are written to `v1-wire.json`, which `npm test` sends with new signatures.
 */
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { payers } from "../../../src/local/accounts.ts";
import { chainTestClient } from "../../../src/local/chain-test-client.ts";
import { transfersTo } from "../../support/chain-facts.ts";
import { TestWorld } from "../../support/platform.ts";
import { type RecordedRequest, RecordingProxy } from "./recording-proxy.ts";

const CLIENTS = ["x402-fetch", "x402-axios"] as const;
const INSTALL = ["ci", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund"];
const PAY_WITHIN_MS = 60_000;

const run = promisify(execFile);

const manifestSchema = z.object({ dependencies: z.record(z.string(), z.string()) });
const paidSchema = z.object({
  status: z.literal(200),
  body: z.string().min(1),
  settlement: z.object({
    success: z.literal(true),
    network: z.literal("base-sepolia"),
    transaction: z.string(),
    payer: z.string(),
  }),
});

await using stack = new AsyncDisposableStack();
const installed = await mkdtemp(join(tmpdir(), "claw-v1-clients-"));
stack.defer(() => rm(installed, { recursive: true, force: true }));
for (const file of ["package.json", "package-lock.json", "pay.js"]) {
  await copyFile(join(import.meta.dirname, file), join(installed, file));
}
await run("npm", INSTALL, { cwd: installed });
const { dependencies } = manifestSchema.parse(
  JSON.parse(await readFile(join(installed, "package.json"), "utf8")),
);

const world = await TestWorld.start();
stack.defer(() => world.stop());
const tenant = await world.createTenant();
const [url = ""] = await world.sellCities(tenant);
const proxy = await RecordingProxy.start(world.url);
stack.defer(() => proxy.stop());
const chain = chainTestClient(world.chain.rpcUrl);

const recorded: { client: string; request: RecordedRequest }[] = [];
for (const [index, name] of CLIENTS.entries()) {
  const client = `${name} ${dependencies[name]}`;
  const target = url.replace(world.url, proxy.url);
  const { stdout } = await run("node", ["pay.js", name, target], {
    cwd: installed,
    env: { ...process.env, PAYER_KEY: payers[0].privateKey },
    timeout: PAY_WITHIN_MS,
  });
  const { settlement } = paidSchema.parse(JSON.parse(stdout));
  const transfers = await transfersTo(chain, tenant.payTo);
  if (transfers.length !== index + 1 || transfers[index]?.transaction !== settlement.transaction) {
    throw new Error(`${client}: its settlement ${settlement.transaction} is not on the chain`);
  }
  recorded.push({ client, request: proxy.taken("x-payment") });
  console.log(`${client}: 402, paid, 200; settled by ${settlement.transaction}`);
}
if (process.argv.includes("--record")) {
  const file = join(import.meta.dirname, "v1-wire.json");
  await writeFile(file, `${JSON.stringify(recorded, null, 2)}\n`);
}
