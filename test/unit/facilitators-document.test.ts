import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseConfig } from "../../src/config.ts";

const ROOT = join(import.meta.dirname, "../..");
const document = readFileSync(join(ROOT, "docs/facilitators.md"), "utf8");

/** A path and what it is said to show: `test/…` "…", in prose over two lines, too. */
const claims = [...document.matchAll(/`(test\/[\w./-]+)`\s"([^"]+)"/g)].map(
  ([, path = "", name = ""]) => ({ path, name: name.replaceAll("\n", " ") }),
);

it("has a test for every outage of its runbook", () => {
  const runbook = document.slice(document.indexOf("## Runbook"));
  const outages = runbook
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
  expect(outages.length).toBeGreaterThan(10);
  expect(outages.filter((line) => !/`test\/[\w./-]+` "[^"]+" *\|$/.test(line))).toEqual([]);
});

it.each(claims)("names a test that exists: $name", ({ path, name }) => {
  expect(readFileSync(join(ROOT, path), "utf8")).toContain(name);
});

it("explains every key of a facilitator", () => {
  const [facilitator] = parseConfig({
    ENVIRONMENT: "local",
    BASE_DOMAIN: "localhost",
    FACILITATORS: JSON.stringify([
      { id: "own", url: "https://own.example", networks: ["eip155:8453"] },
    ]),
    NETWORKS: JSON.stringify([{ caip2: "eip155:8453" }]),
    OPERATORS: JSON.stringify([{ name: "tests", tokenHash: "ab".repeat(32) }]),
    QUOTE_SECRET: "quote-secret-of-the-tests-0123456789",
  }).facilitators;
  const { auth, timeouts, ...own } = facilitator ?? {};
  const rows = [
    ...Object.keys(own),
    ...Object.keys(auth ?? {}).map((key) => `auth.${key}`),
    ...Object.entries(timeouts ?? {}).map(([key, ms]) => `timeouts.${key}\` | ${ms}`),
  ].map((key) => (key.includes("|") ? `| \`${key}` : `| \`${key}\``));
  expect(rows).toHaveLength(9);
  const cells = document.replaceAll(/ *\| */g, " | ");
  expect(rows.filter((row) => !cells.includes(row))).toEqual([]);
});
