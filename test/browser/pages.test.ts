import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { payers } from "../../src/local/accounts.ts";
import { accessibilityFaults, startBrowser, visit } from "../support/browser.ts";
import { TestWorld } from "../support/platform.ts";

const WITHIN = { timeout: 30_000, interval: 50 };
const HOSTILE =
  '</h1></title><script>document.title="owned"</script><img src=x onerror=alert(1)> `${1}` \u202Edesrever';

let world: TestWorld;
let browser: Browser;
let base: string;

beforeAll(async () => {
  world = await TestWorld.start();
  browser = await startBrowser();
  const tenant = await world.createTenant();
  await world.sellCities(tenant);
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    datasets: { cities: { file: "cities.csv", key: "id", indexes: ["country"] } },
    routes: [
      { path: "/cities", dataset: "cities", price: "$0.01" },
      { path: "/hostile", dataset: "cities", price: "$0.25", description: HOSTILE },
    ],
  });
  base = `${world.url}/t/${tenant.tenantId}`;
});

afterAll(async () => {
  await browser?.close();
  await world?.stop();
});

test.each([false, true])(
  "a paid URL is a page that says what it sells (dark: %s)",
  async (dark) => {
    const { page, status, headers, complaints } = await visit(
      browser,
      `${base}/cities?limit=2`,
      dark,
    );
    expect(status).toBe(402);
    expect(headers).toMatchObject({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "payment-status": "required",
    });
    const { accepts } = decodePaymentRequiredHeader(headers["payment-required"] ?? "");
    expect(accepts).toMatchObject([{ amount: "10000" }]);
    expect(await page.locator("h1").innerText()).toBe("Rows of cities");
    const text = await page.locator("main").innerText();
    expect(text).toContain("$0.01 a call");
    expect(text).toContain("base-sepolia");
    expect(text).toContain(`claw call '${base}/cities?limit=2' --max-price 0.01`);
    await page.getByText("parameters", { exact: false }).first().click();
    for (const parameter of ["country", "select", "cursor"]) {
      expect(await page.getByRole("cell", { name: parameter, exact: true }).count()).toBe(1);
    }
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  },
);

test("its links lead to the API's documents and to the page on status 402", async () => {
  for (const [name, found] of [
    ["openapi.json", '"openapi":"3.1.0"'],
    ["schema", '"columns"'],
    ["sample", '"rows"'],
    ["Status 402", "payment_required"],
  ] as const) {
    const { page } = await visit(browser, `${base}/cities`);
    await page.getByRole("link", { name, exact: true }).click();
    // The page that is left may be read once more.
    await vi.waitFor(async () => expect(await page.content()).toContain(found), WITHIN);
    await page.close();
  }
});

test("what a tenant wrote is text: it runs nothing and closes nothing", async () => {
  const { page, complaints } = await visit(browser, `${base}/hostile`);
  expect(await page.locator("h1").innerText()).toBe(HOSTILE);
  expect(await page.title()).toBe(`${HOSTILE}: $0.25 a call`);
  expect(await page.locator("script, img").count()).toBe(0);
  expect(complaints).toEqual([]);
  await page.close();
});

test("what is in the URL does not run in the shell of whoever copies the command", async () => {
  const asked = `${base}/cities?name=$(id)\`id\`"';id;'`;
  const { page } = await visit(browser, asked);
  const command = await page.locator("pre").first().innerText();
  const [, shown = ""] = /^claw call (.*) --max-price 0\.01$/.exec(command) ?? [];
  const { stdout } = await promisify(execFile)("sh", ["-c", `printf %s ${shown}`]);
  expect(stdout).toBe(new URL(asked).href);
  await page.close();
});

test("the program on the page buys the answer", async () => {
  const { page } = await visit(browser, `${base}/cities?limit=1`);
  const program = await page.locator("pre").nth(1).innerText();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", program],
    {
      cwd: join(import.meta.dirname, "../.."),
      env: { ...process.env, CLAW_PAYER_KEY: payers[0].privateKey },
    },
  );
  expect(stdout).toMatch(/^200 \{"data":\[\{"id":1,/);
  await page.close();
});

test("a program gets the document: one in a page of another origin, and one that takes HTML", async () => {
  const page = await browser.newPage();
  const seen =
    await page.evaluate(`fetch(${JSON.stringify(`${base}/cities`)}).then(async (answer) => [
    answer.status,
    answer.headers.get("PAYMENT-REQUIRED")?.length > 100,
    answer.headers.get("Payment-Status"),
    (await answer.json()).code,
  ])`);
  expect(seen).toEqual([402, true, "required", "payment_required"]);
  await page.close();
  const answer = await fetch(`${base}/cities`, { headers: { Accept: "text/html" } });
  expect(await answer.json()).toMatchObject({ x402Version: 1, code: "payment_required" });
});

test("the pages on errors can be read", async () => {
  const { page, status, complaints } = await visit(browser, `${world.url}/errors`, true);
  expect(status).toBe(200);
  expect(await accessibilityFaults(page)).toEqual([]);
  await page.getByRole("link", { name: "settlement_unknown", exact: true }).click();
  await page.waitForURL("**/errors/settlement_unknown");
  const text = await page.locator("main").innerText();
  expect(text).toContain("Send the same header again after Retry-After");
  expect(text).toContain("HTTP/1.1 503");
  expect(await accessibilityFaults(page)).toEqual([]);
  expect(complaints).toEqual([]);
  await page.close();
});
