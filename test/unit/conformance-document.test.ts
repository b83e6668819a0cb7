/** The tables of test/conformance/README.md: each row names its tests, they exist, and none of the folder is missing. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const FOLDER = join(import.meta.dirname, "../conformance");
const LINK_PATTERN = /\[([^\]]+)\]\(([\w./-]+\.test\.ts)\)/g;
/** The name of a test, or the first member of a row of `test.each`. */
const NAME_PATTERN = /^\s*(?:test\(|\[)\s*"([^"]+)"/gm;

const read = (path: string) => readFileSync(join(FOLDER, path), "utf8");
const readme = read("README.md");
const links = [...readme.matchAll(LINK_PATTERN)].map(([, name = "", file = ""]) => ({
  name,
  file,
}));

test("the conformance tables name only tests that exist", () => {
  const missing = links.filter(({ name, file }) => !read(file).includes(`"${name}"`));
  expect(links.length).toBeGreaterThan(0);
  expect(missing).toEqual([]);
});

test("every row of the conformance tables names a test", () => {
  const lines = readme.split("\n");
  const isBelowHead = (line = "") => line.startsWith("| -");
  const rows = lines.filter(
    (line, index) => line.startsWith("| ") && !isBelowHead(line) && !isBelowHead(lines[index + 1]),
  );
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.filter((row) => !/\]\([\w./-]+\.test\.ts\)/.test(row))).toEqual([]);
});

test("every conformance test is in a table", () => {
  const shown = new Set(links.map(({ name }) => name));
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".test.ts"));
  const names = files.flatMap((file) =>
    [...read(file).matchAll(NAME_PATTERN)].map(([, name]) => name ?? ""),
  );
  expect(names.length).toBeGreaterThan(files.length);
  expect(names.filter((name) => !shown.has(name))).toEqual([]);
});
