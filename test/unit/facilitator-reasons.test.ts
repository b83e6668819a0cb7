import { readFile, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { normalizeReason } from "../../src/facilitator/reason-codes.ts";
import { parseRetryAfter } from "../../src/facilitator/reply.ts";

/** The strings the installed reference facilitator can answer with, for the schemes that are offered. */
async function referenceCodes(packageName: "@x402/evm" | "@x402/svm"): Promise<string[]> {
  const folder = dirname(fileURLToPath(import.meta.resolve(packageName)));
  const files = (await readdir(folder)).filter((name) => name.endsWith(".mjs"));
  const sources = await Promise.all(files.map((name) => readFile(join(folder, name), "utf8")));
  const constants = [...sources.join("\n").matchAll(/\bErr[A-Za-z0-9]+ = "([a-z0-9_]+)"/g)];
  const codes = new Set(constants.map(([, code = ""]) => code));
  return [...codes].filter((code) => !NOT_OFFERED.test(code));
}

/** Wallets on Solana that are programs have no layout of their own, and are refused before any facilitator is asked. */
const NOT_OFFERED = /batch_settlement|auth_capture|svm_smart_wallet|upto_svm/;

it.each([
  ["@x402/evm", 50],
  ["@x402/svm", 30],
] as const)("knows every reason of the installed %s facilitator", async (packageName, least) => {
  const codes = await referenceCodes(packageName);
  expect(codes.length).toBeGreaterThan(least);
  expect(codes.filter((code) => normalizeReason(code) === "unrecognized_reason")).toEqual([]);
});

it.each([
  ["7", 7_000],
  [" 7 ", 7_000],
  ["0", null],
  ["-1", null],
  ["3600", 300_000],
  ["Wed, 21 Oct 2026 07:28:10 GMT", 10_000],
  ["Wed, 21 Oct 2026 07:27:00 GMT", null],
  ["soon", null],
  [null, null],
])("reads Retry-After %s as %s milliseconds", (value, expected) => {
  expect(parseRetryAfter(value, Date.parse("2026-10-21T07:28:00Z"))).toBe(expected);
});
