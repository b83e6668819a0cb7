import { createHash, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { apiKeyPrefix, hashApiKey, makeApiKey, parseApiKey } from "../../src/tenant/api-key.ts";

test("a key is claw_ and its 32 bytes in base64url", () => {
  const bytes = randomBytes(32);
  expect(makeApiKey(bytes)).toBe(`claw_${bytes.toString("base64url")}`);
});

test("accepts every key it makes", () => {
  for (let round = 0; round < 1_000; round += 1) {
    const key = makeApiKey(randomBytes(32));
    expect(parseApiKey(key)).toBe(key);
  }
});

test("stores the SHA-256 of the key", async () => {
  const key = makeApiKey(randomBytes(32));
  expect(await hashApiKey(key)).toBe(createHash("sha256").update(key).digest("hex"));
});

test("shows seven characters of the key's randomness", () => {
  const key = makeApiKey(randomBytes(32));
  expect(apiKeyPrefix(key)).toBe(key.slice(0, 12));
});

test("refuses to make a key of too little randomness", () => {
  expect(() => makeApiKey(new Uint8Array(16))).toThrow(RangeError);
});

const KEY = makeApiKey(new Uint8Array(32));

test.each([
  ["nothing", ""],
  ["no prefix", KEY.slice("claw_".length)],
  ["another prefix", KEY.replace("claw_", "CLAW_")],
  ["one character less", KEY.slice(0, -1)],
  ["one character more", `${KEY}A`],
  ["a newline at the end", `${KEY}\n`],
  ["base64 that is not base64url", `claw_+${KEY.slice(6)}`],
  ["bits beyond 32 bytes", `${KEY.slice(0, -1)}B`],
  ["a quote for SQL", `claw_'${KEY.slice(6)}`],
])("refuses %s", (_what, text) => {
  expect(parseApiKey(text)).toBeNull();
});
