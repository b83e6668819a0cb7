import { describe, expect, it } from "vitest";
import { ConfigError, parseConfig } from "../../src/config.ts";

const SOURCE = {
  ENVIRONMENT: "local",
  BASE_DOMAIN: "localhost",
  NETWORKS: JSON.stringify([{ caip2: "eip155:84532" }]),
  OPERATOR_TOKEN: "operator-token-of-the-tests",
  QUOTE_SECRET: "quote-secret-of-the-tests-0123456789",
};

function parse(facilitators: unknown, secrets: Readonly<Record<string, string>> = {}) {
  const source = { ...SOURCE, ...secrets, FACILITATORS: JSON.stringify(facilitators) };
  return parseConfig(source).facilitators;
}

const PAYAI = { id: "payai", url: "https://facilitator.example" };
const SECURED = { ...PAYAI, auth: { type: "bearer", secret: "PAYAI_TOKEN" } };

describe("the facilitators of the configuration", () => {
  it("come in order, with timeouts of their own or the usual ones", () => {
    const [first, second] = parse([
      { id: "local", url: "http://127.0.0.1:4020", timeouts: { settleMs: 60_000 } },
      { ...PAYAI, networks: ["eip155:8453"] },
    ]);
    expect(first?.timeouts).toEqual({ verifyMs: 5_000, settleMs: 60_000, supportedMs: 5_000 });
    expect(second?.networks).toEqual(["eip155:8453"]);
    expect(second?.auth).toEqual({ type: "none" });
  });

  it("take their token from the secret that is named", () => {
    const [facilitator] = parse([SECURED], { PAYAI_TOKEN: "token-of-the-tests" });
    expect(facilitator?.auth).toEqual({ type: "bearer", token: "token-of-the-tests" });
  });

  it.each<[string, unknown, RegExp]>([
    ["none", [], /^configuration FACILITATORS: /],
    ["a secret that is not set", [SECURED], /payai needs the secret PAYAI_TOKEN/],
    ["plain HTTP over the network", [{ ...PAYAI, url: "http://facilitator.example" }], /0\.url/],
    ["an unknown kind of auth", [{ ...PAYAI, auth: { type: "basic" } }], /0\.auth/],
    [
      "a token in place of the name of its secret",
      [{ ...PAYAI, auth: { type: "bearer", secret: "tok-123" } }],
      /0\.auth\.secret/,
    ],
    ["a network by its v1 name", [{ ...PAYAI, networks: ["base"] }], /0\.networks\.0/],
    [
      "a timeout of an hour",
      [{ ...PAYAI, timeouts: { settleMs: 3_600_000 } }],
      /0\.timeouts\.settleMs/,
    ],
    ["one id twice", [PAYAI, PAYAI], /id payai is used twice/],
    ["a setting that does not exist", [{ ...PAYAI, retries: 3 }], /retries/],
  ])("refuse %s, naming the key", (_, facilitators, message) => {
    expect(() => parse(facilitators)).toThrow(ConfigError);
    expect(() => parse(facilitators)).toThrow(message);
  });
});
