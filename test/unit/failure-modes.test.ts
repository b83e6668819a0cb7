import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const DOCS = join(import.meta.dirname, "../../docs");
const MATRIX = "../test/e2e/failure-matrix.test.ts";
const LINK_PATTERN = /\[([^\]]+)\]\((\.\.\/test\/[\w./-]+\.test\.ts)\)/g;
/** The name of a test, or the first member of a row of `test.each`. */
const NAME_PATTERN = /^\s*(?:test\(|\[)"([^"]+)"/gm;

const links = [...read("failure-modes.md").matchAll(LINK_PATTERN)].map(([, name, file]) => ({
  name: name ?? "",
  file: file ?? "",
}));

function read(path: string): string {
  return readFileSync(join(DOCS, path), "utf8");
}

test("docs/failure-modes.md names only tests that exist", () => {
  const missing = links.filter(({ name, file }) => !read(file).includes(`"${name}"`));
  expect(links.length).toBeGreaterThan(0);
  expect(missing).toEqual([]);
});

test("docs/failure-modes.md has every row of the failure matrix", () => {
  const shown = new Set(links.filter(({ file }) => file === MATRIX).map(({ name }) => name));
  const rows = [...read(MATRIX).matchAll(NAME_PATTERN)].map(([, name]) => name ?? "");
  // The audit at the end is no row: it looks at all of them once more.
  const audit = "long after, nothing has moved that had not";
  expect(rows.filter((name) => name !== audit && !shown.has(name))).toEqual([]);
});
