import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { compileContracts, pathOf } from "../../src/local/token/compile.ts";

/** The compiler takes seconds, and the machine may be busy. */
const COMPILE_TIMEOUT_MS = 60_000;

describe("the committed artefacts", () => {
  test(
    "are what the sources compile to (if not: node src/local/token/compile.ts)",
    () => {
      for (const [file, text] of compileContracts()) {
        expect(readFileSync(pathOf(file), "utf8")).toBe(text);
      }
    },
    COMPILE_TIMEOUT_MS,
  );

  test("name no path and no file of the machine they were made on", () => {
    for (const file of [
      "TestUsdc.json",
      "Multicall3.json",
      "Permit2.json",
      "X402ExactPermit2Proxy.json",
      "X402UptoPermit2Proxy.json",
    ]) {
      expect(readFileSync(pathOf(file), "utf8")).not.toMatch(/\.sol|\//);
    }
  });
});
