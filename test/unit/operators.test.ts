import { expect, test } from "vitest";
import {
  hashOperatorToken,
  makeOperatorToken,
  parseOperators,
} from "../../src/tenant/operators.ts";

const ANN = { name: "ann", tokenHash: "a1".repeat(32) };

test("a token is 256 random bits, and its hash is what is configured", async () => {
  const token = makeOperatorToken();
  expect(token).toMatch(/^op_[A-Za-z0-9_-]{43}$/);
  expect(makeOperatorToken()).not.toBe(token);
  const tokenHash = await hashOperatorToken(token);
  expect(parseOperators({ OPERATORS: JSON.stringify([{ name: "ann", tokenHash }]) })).toEqual([
    { name: "ann", tokenHash },
  ]);
});

test.each([
  ["no JSON", "ann", "must be JSON"],
  ["nobody", [], "expected array to have >=1 items"],
  ["a token in place of its hash", [{ ...ANN, tokenHash: "op_secret" }], "0.tokenHash must be"],
  ["a token beside its hash", [{ ...ANN, token: "op_secret" }], 'Unrecognized key: "token"'],
  ["a name that is none", [{ ...ANN, name: "Ann B" }], "0.name must be 1 to 32 characters"],
  ["a name twice", [ANN, { ...ANN, tokenHash: "b2".repeat(32) }], "have the same name"],
  ["a token twice", [ANN, { ...ANN, name: "bob" }], "have the same tokenHash"],
])("refuses %s, names the key and repeats no secret", (_what, value, problem) => {
  const OPERATORS = typeof value === "string" ? value : JSON.stringify(value);
  const parse = () => parseOperators({ OPERATORS });
  expect(parse).toThrow(/^configuration OPERATORS: /);
  expect(parse).toThrow(problem);
  expect(parse).not.toThrow("op_secret");
});
