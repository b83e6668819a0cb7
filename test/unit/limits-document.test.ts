import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  OPEN_REQUESTS_MAX,
  OVERRIDES_IN_FORCE_MAX,
} from "../../src/tenant/directory/limit-overrides.ts";
import { LIMIT_NAMES } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { LIMITS_DOCUMENT, withLimitsTables } from "../support/limits-tables.ts";

const document = readFileSync(LIMITS_DOCUMENT, "utf8");

test("docs/limits.md has the plans' values and the ceilings as the code has them", () => {
  expect(document, "run: node test/support/limits-tables.ts").toBe(withLimitsTables(document));
});

test("docs/limits.md says of every limit where it is enforced and what its caller sees", () => {
  const section = document.slice(document.indexOf("## Where they are enforced"));
  const cells = section
    .slice(0, section.indexOf("## More"))
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|")[1] ?? "");
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
  expect(named).toEqual(LIMIT_NAMES);
});

test("docs/limits.md says what happens when a budget is spent, and how many overrides there can be", () => {
  expect([PLANS.free, PLANS.pro, PLANS.scale].map(({ limits }) => limits.onBudgetSpent)).toEqual([
    "suspend",
    "throttle",
    "throttle",
  ]);
  expect(document).toContain(
    "a free tenant is suspended until an\noperator has looked; pro and scale",
  );
  expect([OPEN_REQUESTS_MAX, OVERRIDES_IN_FORCE_MAX]).toEqual([5, 20]);
  expect(document).toContain("Five requests of a tenant can wait at a time");
  expect(document).toContain("twenty can be in force\nat a time");
});
