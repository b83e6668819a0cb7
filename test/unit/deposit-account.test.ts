import { hkdfSync } from "node:crypto";
import * as fc from "fast-check";
import { privateKeyToAddress } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { deriveDepositAccount, parseDepositSeed } from "../../src/chain/deposit-account.ts";

const SEED_TEXT = `0x${"5e".repeat(32)}`;
const seed = Uint8Array.from(Buffer.from("5e".repeat(32), "hex"));

async function addressOf(environment: string, serial: number): Promise<string> {
  return (await deriveDepositAccount(seed, environment, serial)).address;
}

describe("a deposit account", () => {
  it("stays the same for ever, because money lies there", async () => {
    expect(await addressOf("local", 1)).toBe("0x05179c641adac432894709fe8aeff34de87d4768");
    expect(await addressOf("local", 2)).toBe("0x867c81d49bce130c409d41618f8c0bc6e2ad6fe6");
    expect(await addressOf("production", 1)).toBe("0xd49a4dc04fcfedf3b578787c37406ec9d1627c2f");
  });

  it("is HKDF-SHA-256 of seed, environment and serial, reduced to a key of the curve", async () => {
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const bytes = hkdfSync("sha256", seed, "", "402claw/deposit/staging/77", 48);
    const key = (BigInt(`0x${Buffer.from(bytes).toString("hex")}`) % (order - 1n)) + 1n;
    const expected = `0x${key.toString(16).padStart(64, "0")}` as const;
    expect(await deriveDepositAccount(seed, "staging", 77)).toEqual({
      privateKey: expected,
      address: privateKeyToAddress(expected).toLowerCase(),
    });
  });

  it("differs between serials, environments and seeds", async () => {
    const otherSeed = Uint8Array.from(seed, (byte, index) => (index === 0 ? byte ^ 1 : byte));
    const accounts = await Promise.all([
      ...Array.from({ length: 50 }, (_, index) => deriveDepositAccount(seed, "local", index + 1)),
      deriveDepositAccount(seed, "staging", 1),
      deriveDepositAccount(otherSeed, "local", 1),
    ]);
    expect(new Set(accounts.map(({ address }) => address)).size).toBe(52);
  });

  it.each([0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1])(
    "does not exist for serial %s",
    async (serial) => {
      await expect(deriveDepositAccount(seed, "local", serial)).rejects.toThrow("serial");
    },
  );
});

describe("the platform's seed", () => {
  it("is 32 bytes of hexadecimal", () => {
    expect(parseDepositSeed(SEED_TEXT)).toEqual(seed);
    expect(parseDepositSeed(SEED_TEXT.toUpperCase().replace("0X", "0x"))).toEqual(seed);
  });

  it.each([
    "",
    "0x",
    "5e".repeat(32),
    `0x${"5e".repeat(31)}`,
    `0x${"5e".repeat(33)}`,
    `0x${"zz".repeat(32)}`,
  ])("is not %j", (text) => {
    expect(parseDepositSeed(text)).toBeNull();
  });

  it("is never guessed from other text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 70 }), (text) => {
        expect(parseDepositSeed(text)).toBeNull();
      }),
    );
  });
});
