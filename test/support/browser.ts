/** A real browser for tests of pages: the Chromium that comes inside an npm package, driven by Playwright. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import chromium from "@sparticuz/chromium";
import { type Browser, type Page, chromium as playwright } from "playwright-core";
import * as z from "zod";

export async function startBrowser(): Promise<Browser> {
  return await playwright.launch({
    executablePath: await chromium.executablePath(),
    // One process for all is for machines smaller than this one: there, the first page that closes takes all along.
    args: chromium.args.filter((flag) => flag !== "--single-process" && flag !== "--no-zygote"),
  });
}

export interface Visit {
  readonly page: Page;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What the browser complained about, its note on the page's own status apart. */
  readonly complaints: readonly string[];
}

/** Opens a page as a person would. */
export async function visit(browser: Browser, url: string, dark = false): Promise<Visit> {
  const page = await browser.newPage({
    viewport: { width: 390, height: 844 },
    colorScheme: dark ? "dark" : "light",
  });
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    if (!/^Failed to load resource: .* 402 /.test(message.text())) complaints.push(message.text());
  });
  const response = await page.goto(url);
  if (response === null) throw new Error(`${url} gave no document`);
  return { page, status: response.status(), headers: response.headers(), complaints };
}

const ACCESSIBILITY_SCRIPT = readFileSync(
  join(import.meta.dirname, "accessibility-faults.js"),
  "utf8",
);

/** What the page owes to whoever can't see it, or has a small screen; empty when nothing is missing. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  return z.array(z.string()).parse(await page.evaluate(ACCESSIBILITY_SCRIPT));
}
