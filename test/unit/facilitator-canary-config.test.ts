import { expect, it } from "vitest";
import { ConfigError } from "../../src/config-source.ts";
import { parseConfig } from "../../src/config.ts";
import { payers } from "../../src/local/accounts.ts";

const [{ address, privateKey }] = payers;
const CANARY = {
  secret: "CANARY_KEY",
  network: "eip155:84532",
  payTo: `0x${"51".repeat(20)}`,
  amountAtomic: "1000",
  intervalMs: 3_600_000,
  dailySpendCapAtomic: "48000",
};

function parse(canary: unknown, key = privateKey) {
  const source = {
    ENVIRONMENT: "local",
    BASE_DOMAIN: "localhost",
    FACILITATORS: JSON.stringify([{ id: "own", url: "https://own.example" }]),
    NETWORKS: JSON.stringify([{ caip2: "eip155:84532" }]),
    OPERATORS: JSON.stringify([{ name: "tests", tokenHash: "ab".repeat(32) }]),
    QUOTE_SECRET: "quote-secret-of-the-tests-0123456789",
    CANARY_KEY: key,
  };
  return parseConfig(canary === undefined ? source : { ...source, CANARY: JSON.stringify(canary) })
    .canary;
}

it("has no canary unless one is configured", () => {
  expect(parse(undefined)).toBeNull();
});

it("knows the paying wallet by its key, and the token by its network", () => {
  expect(parse(CANARY)).toMatchObject({
    wallet: address.toLowerCase(),
    amountAtomic: 1_000n,
    network: { asset: { name: "USDC" } },
  });
});

it.each<[string, unknown, RegExp]>([
  ["nothing", {}, /secret/],
  ["its own wallet as payee", { ...CANARY, payTo: address }, /payTo must not be the paying wallet/],
  [
    "a network that is not sold on",
    { ...CANARY, network: "eip155:8453" },
    /network must be one of/,
  ],
  ["a payee that is no address", { ...CANARY, payTo: "0x51" }, /payTo must be an address/],
  ["an amount in dollars", { ...CANARY, amountAtomic: "0.001" }, /amountAtomic/],
  ["an amount of nothing", { ...CANARY, amountAtomic: "0" }, /amountAtomic/],
  ["a payment a second", { ...CANARY, intervalMs: 1_000 }, /intervalMs/],
  ["a cap below one payment", { ...CANARY, dailySpendCapAtomic: "999" }, /dailySpendCapAtomic/],
  ["no cap", { ...CANARY, dailySpendCapAtomic: undefined }, /dailySpendCapAtomic/],
  ["a secret that is not set", { ...CANARY, secret: "OTHER_KEY" }, /needs the secret OTHER_KEY/],
  [
    "a key in place of its secret's name",
    { ...CANARY, secret: privateKey },
    /secret must be the name/,
  ],
  ["a setting that does not exist", { ...CANARY, retries: 3 }, /retries/],
])("refuses a canary with %s, naming the key", (_, canary, problem) => {
  expect(() => parse(canary)).toThrow(ConfigError);
  expect(() => parse(canary)).toThrow(problem);
  expect(() => parse(canary)).toThrow(/^configuration CANARY: /);
});

it.each(["0x", "0x1234", `0x${"ff".repeat(32)}`] as const)(
  "refuses the key %s without repeating it",
  (key) => {
    expect(() => parse(CANARY, key)).toThrow(
      "configuration CANARY: the secret CANARY_KEY must be a private key: 0x and 64 hexadecimal digits",
    );
  },
);
