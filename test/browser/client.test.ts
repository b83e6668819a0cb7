/** `402claw/client` as it is packed: the examples of its documents in Node, its types, and a bundle in a browser. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { chainTestClient } from "../../src/local/chain-test-client.ts";
import { startBrowser } from "../support/browser.ts";
import { transferCount } from "../support/chain-facts.ts";
import { type ClientProject, createClientProject } from "../support/packed-client.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Where the tenant of the documents sells. */
const DOCUMENTED = "http://127.0.0.1:8402/t/acme";
const PAYER = { CLAW_PAYER_KEY: payers[0].privateKey };

let world: TestWorld;
let project: ClientProject;
let tenant: TestTenant;
let base: string;

beforeAll(async () => {
  project = await createClientProject();
  world = await TestWorld.start();
  tenant = await world.createTenant();
  await world.sellCities(tenant);
  base = `${world.url}/t/${tenant.tenantId}`;
});

afterAll(async () => {
  await world?.stop();
  await project?.[Symbol.asyncDispose]();
});

/** The program that a document shows, buying from the tenant of this test. */
async function exampleIn(document: string): Promise<string> {
  const text = await readFile(join(ROOT, document), "utf8");
  const [, program = ""] = /^```js\n(.*?)^```$/ms.exec(text) ?? [];
  expect(program).toContain(DOCUMENTED);
  return program.replace(DOCUMENTED, base);
}

/** The next settlement moves the money, and its reply is lost, whichever facilitator it goes to. */
async function loseNextReply(): Promise<void> {
  for (const { control } of world.facilitators) {
    await control.clear();
    await control.inject({ operation: "settle", fault: "settle-then-lost", times: 1 });
  }
}

/** Payments that have reached the tenant. */
function paymentCount(): Promise<number> {
  return transferCount(chainTestClient(world.chain.rpcUrl), tenant.payTo);
}

test("the package holds the built client, its types, and no source", () => {
  expect(project.packed).toEqual(
    expect.arrayContaining(["dist/client/paying-fetch.js", "dist/client/paying-fetch.d.ts"]),
  );
  expect(project.packed.filter((path) => /(?<!\.d)\.ts$/.test(path))).toEqual([]);
});

test("its command says where it can be run", async () => {
  const command = `await import("./node_modules/402claw/src/cli/claw.js");`;
  await expect(project.run(command, {})).rejects.toThrow("run claw in a clone");
});

test("the README's example buys in ten lines", async () => {
  const before = await paymentCount();
  const program = await exampleIn("README.md");
  expect(
    program
      .trim()
      .split("\n")
      .filter((line) => line !== ""),
  ).toHaveLength(9);
  expect(await project.run(program, PAYER)).toMatch(/^200 \{\n? *data: \[/);
  expect(await paymentCount()).toBe(before + 1);
});

test("the guide's example gets its answer, and pays once, when the reply to its settlement is lost", async () => {
  const before = await paymentCount();
  await loseNextReply();
  const printed = await project.run(await exampleIn("docs/client.md"), PAYER);
  expect(printed).toMatch(/^replayed \{"data":\[\{"id":\d+,/);
  expect(await paymentCount()).toBe(before + 1);
});

test("its types are found and hold in a strict TypeScript project", async () => {
  const program = `
    import { PaymentError, type SentPayment, payingFetch } from "402claw/client";
    import { x402Client } from "@x402/fetch";
    const buy = payingFetch(new x402Client(), { budget: "$5", patienceMs: 1_000 });
    export const response: Promise<Response> = buy("https://shop.example", { method: "POST" });
    export const resume = (payment: SentPayment): Promise<Response> => buy.resume(payment);
    export const open = (error: PaymentError): boolean => error.state === "outcome_open";
    // @ts-expect-error: that is nothing to fetch
    void buy(5);
    // @ts-expect-error: a budget is in dollars
    payingFetch(new x402Client(), { budget: "5" });
    // @ts-expect-error: there is no such state
    export const none = (error: PaymentError): boolean => error.state === "paid";`;
  await writeFile(join(project.directory, "typed.ts"), program);
  // The official client's own types need the DOM library; Node's programs do without.
  const flags = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--lib",
    "es2024",
    "--skipLibCheck",
  ];
  const types = ["--types", "node", "--typeRoots", join(ROOT, "node_modules/@types")];
  const tsc = join(ROOT, "node_modules/.bin/tsc");
  const check = promisify(execFile)(tsc, [...flags, ...types, "typed.ts"], {
    cwd: project.directory,
  }).catch((error: unknown) => error);
  expect(await check).toMatchObject({ stdout: "" });
});

test("bundled for a browser, it buys from a page of another origin and survives a lost reply", async () => {
  const entry = join(project.directory, "page.js");
  await writeFile(
    entry,
    `import { payingFetch, paymentStatusOf } from "402claw/client";
    import { ExactEvmScheme } from "@x402/evm/exact/client";
    import { x402Client } from "@x402/fetch";
    import { privateKeyToAccount } from "viem/accounts";
    export async function buy(url, key) {
      const scheme = new ExactEvmScheme(privateKeyToAccount(key));
      const client = new x402Client().register("eip155:*", scheme);
      const response = await payingFetch(client, { budget: "$0.01" })(url);
      return [response.status, paymentStatusOf(response), (await response.json()).data.length];
    }`,
  );
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    platform: "browser",
    format: "iife",
    globalName: "shop",
    write: false,
    logLevel: "silent",
  });
  const before = await paymentCount();
  await loseNextReply();
  expect(await inBrowser(outputFiles[0]?.text ?? "")).toEqual([200, "replayed", 2]);
  expect(await paymentCount()).toBe(before + 1);
});

async function inBrowser(script: string): Promise<unknown> {
  const browser: Browser = await startBrowser();
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: script });
    const call = [`${base}/cities?limit=2`, payers[1].privateKey].map((text) =>
      JSON.stringify(text),
    );
    return await page.evaluate(`shop.buy(${call.join(", ")})`);
  } finally {
    await browser.close();
  }
}
