import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PROBLEM_CODES } from "../../src/payment/problems/problem.ts";
import {
  GUIDED_CODES,
  REFUSAL_CODES,
  explainCode,
} from "../../src/payment/problems/problem-guide.ts";
import { ERRORS_DOCUMENT, withErrorsTables } from "../support/errors-tables.ts";

test("docs/errors.md lists every code as the code explains it, and no other", () => {
  const document = readFileSync(ERRORS_DOCUMENT, "utf8");
  expect(document, "run: node test/support/errors-tables.ts").toBe(withErrorsTables(document));
});

test("every code is explained once: what happened, what to do, an example", () => {
  expect(GUIDED_CODES.toSorted()).toEqual(PROBLEM_CODES.toSorted());
  const codes = [...GUIDED_CODES, ...REFUSAL_CODES];
  expect(new Set(codes).size).toBe(codes.length);
  for (const code of codes) {
    expect(explainCode(code)).toMatchObject({
      code,
      status: expect.any(Number),
      cause: expect.stringMatching(/^.+\.$/),
      remedy: expect.stringMatching(/^.+\.$/),
      document: { code },
    });
  }
});

test.each(["toString", "__proto__", "constructor", "Payment_Required", ""])(
  "explains nothing under the name %j",
  (code) => expect(explainCode(code)).toBeNull(),
);
