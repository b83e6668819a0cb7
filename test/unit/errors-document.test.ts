import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PROBLEM_CODES, problemDocument, problemStatus } from "../../src/payment/problem.ts";

test("docs/errors.md lists every code with its status and meaning, and no other", () => {
  const document = readFileSync(join(import.meta.dirname, "../../docs/errors.md"), "utf8");
  const rows = [...document.matchAll(/^\| `(\w+)` *\| (\d+) *\| (.*?) *\|/gm)].map(
    ([, code, status, meaning]) => [code, Number(status), meaning],
  );
  expect(rows).toEqual(
    PROBLEM_CODES.map((code) => [code, problemStatus(code), problemDocument(code)["title"]]),
  );
});
