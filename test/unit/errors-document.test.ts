import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PROBLEM_CODES } from "../../src/payment/problems/problem.ts";
import {
  type Charged,
  GUIDED_CODES,
  REFUSAL_CODES,
  explainCode,
  explainProblem,
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

test("what a code says of the money is what the Payment-Status of its example says", () => {
  const statuses: Readonly<Record<Charged, readonly string[]>> = {
    no: ["required", "not-charged", "failed"],
    yes: ["settled"],
    unknown: ["unknown"],
    depends: ["not-charged", "settled"],
  };
  const contradictory = GUIDED_CODES.filter((code) => {
    const { payment, example } = explainProblem(code);
    const said = example?.headers?.["Payment-Status"];
    return payment !== undefined && said !== undefined && !statuses[payment.charged].includes(said);
  });
  expect(contradictory).toEqual([]);
});

test.each(["toString", "__proto__", "constructor", "Payment_Required", ""])(
  "explains nothing under the name %j",
  (code) => expect(explainCode(code)).toBeNull(),
);
