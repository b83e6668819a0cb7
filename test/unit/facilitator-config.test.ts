import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { readVariables } from "../../src/cli/variables-file.ts";
import { ConfigError } from "../../src/config-source.ts";
import { parseConfig } from "../../src/config.ts";
import { cdpCredentials } from "../support/cdp-credentials.ts";
import { runClaw } from "../support/dev-process.ts";

const SOURCE = {
  ENVIRONMENT: "local",
  BASE_DOMAIN: "localhost",
  NETWORKS: JSON.stringify([{ caip2: "eip155:84532" }]),
  OPERATORS: JSON.stringify([{ name: "tests", tokenHash: "ab".repeat(32) }]),
  QUOTE_SECRET: "quote-secret-of-the-tests-0123456789",
};

const SOLANA_DEVNET = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";

function parse(facilitators: unknown, secrets: Readonly<Record<string, string>> = {}) {
  const source = { ...SOURCE, ...secrets, FACILITATORS: JSON.stringify(facilitators) };
  return parseConfig(source).facilitators;
}

const PAYAI = { id: "payai", url: "https://facilitator.example" };
const CDP = {
  ...PAYAI,
  id: "cdp",
  auth: { type: "cdp", keyId: "CDP_KEY_ID", secret: "CDP_KEY_SECRET" },
};
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

  it("take the id and the secret of an API key from the secrets that are named", async () => {
    const { auth } = await cdpCredentials("EdDSA");
    const secrets = { CDP_KEY_ID: auth.keyId, CDP_KEY_SECRET: auth.secret };
    expect(parse([CDP], secrets)[0]?.auth).toEqual(auth);
  });

  it.each<[string, Record<string, string>, string]>([
    ["without its id", { CDP_KEY_SECRET: "c2VjcmV0" }, "cdp needs the secret CDP_KEY_ID"],
    ["without its secret", { CDP_KEY_ID: "id" }, "cdp needs the secret CDP_KEY_SECRET"],
    [
      "with a secret that can't sign",
      { CDP_KEY_ID: "id", CDP_KEY_SECRET: "c2VjcmV0" },
      "cdp: the secret CDP_KEY_SECRET must be an Ed25519 key (base64) or a P-256 key (PKCS #8 PEM)",
    ],
  ])("refuse an API key %s, naming the secret and not what is in it", (_, secrets, problem) => {
    expect(() => parse([CDP], secrets)).toThrow(new ConfigError("FACILITATORS", problem));
  });

  it("may be reached without TLS on this machine only", () => {
    for (const url of ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1/x402"]) {
      expect(parse([{ ...PAYAI, url }])[0]?.url).toBe(url);
    }
    for (const url of ["http://127.0.0.1.example", "http://10.0.0.1", "http://localhost.example"]) {
      expect(() => parse([{ ...PAYAI, url }])).toThrow(/0\.url must be https/);
    }
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
    [
      "more time to verify than a call has for it",
      [{ ...PAYAI, timeouts: { verifyMs: 10_001 } }],
      /0\.timeouts\.verifyMs/,
    ],
    [
      "none for a network that is sold on",
      [{ ...PAYAI, networks: ["eip155:8453"] }],
      /none may be used for eip155:84532 of NETWORKS/,
    ],
    ["one id twice", [PAYAI, PAYAI], /id payai is used twice/],
    ["a setting that does not exist", [{ ...PAYAI, retries: 3 }], /retries/],
    ["one without an id", [{ url: PAYAI.url }], /0\.id/],
    ["an id that is no name", [{ ...PAYAI, id: "Pay AI" }], /0\.id must be 1 to 32 characters/],
    ["one without a URL", [{ id: "payai" }], /0\.url/],
    ["another protocol", [PAYAI, { id: "ftp", url: "ftp://facilitator.example" }], /1\.url/],
    ["no networks at all", [{ ...PAYAI, networks: [] }], /0\.networks/],
    ["a timeout of nothing", [{ ...PAYAI, timeouts: { verifyMs: 0 } }], /0\.timeouts\.verifyMs/],
    [
      "a timeout as text",
      [{ ...PAYAI, timeouts: { supportedMs: "5s" } }],
      /0\.timeouts\.supportedMs/,
    ],
    ["a timeout that does not exist", [{ ...PAYAI, timeouts: { ms: 500 } }], /0\.timeouts .*"ms"/],
    [
      "an API key in place of the name of its secret",
      [{ ...CDP, auth: { ...CDP.auth, keyId: "5e3c1f0a" } }],
      /0\.auth\.keyId must be the name of a Worker secret/,
    ],
    [
      "an API key without a secret",
      [{ ...CDP, auth: { type: "cdp", keyId: "CDP_KEY_ID" } }],
      /0\.auth\.secret/,
    ],
    [
      "credentials in the URL",
      [{ ...PAYAI, url: "https://user:word@facilitator.example" }],
      /0\.url must end with its path/,
    ],
    ["a query", [{ ...PAYAI, url: "https://facilitator.example/?key=1" }], /0\.url must end/],
    ["no tenant", [{ ...PAYAI, preferredBy: ["Acme Inc"] }], /0\.preferredBy\.0/],
    [
      "too many preferring tenants",
      [{ ...PAYAI, preferredBy: Array.from({ length: 65 }, (_each, index) => `t-${index}`) }],
      /0\.preferredBy/,
    ],
    ["a hedge that is no yes or no", [{ ...PAYAI, hedgeVerify: "yes" }], /0\.hedgeVerify/],
    ["bearer without its secret", [{ ...PAYAI, auth: { type: "bearer" } }], /0\.auth\.secret/],
    [
      "nine of them",
      Array.from({ length: 9 }, (_each, index) => ({ ...PAYAI, id: `f${index}` })),
      /8/,
    ],
  ])("refuse %s, naming the key", (_, facilitators, message) => {
    expect(() => parse(facilitators)).toThrow(ConfigError);
    expect(() => parse(facilitators)).toThrow(message);
  });
});

describe("the configuration", () => {
  it.each([
    ["ENVIRONMENT", ""],
    ["BASE_DOMAIN", ""],
    ["FACILITATORS", "payai"],
    ["NETWORKS", "[]"],
    ["NETWORKS", '[{"caip2":"base"}]'],
    ["NETWORKS", '[{"caip2":"eip155:5"}]'],
    // Its listed token has no EIP-3009.
    ["NETWORKS", '[{"caip2":"eip155:4326"}]'],
    ["NETWORKS", '[{"caip2":"eip155:84532"},{"caip2":"eip155:84532"}]'],
    // One token address on two networks.
    ["NETWORKS", '[{"caip2":"eip155:190415"},{"caip2":"eip155:181228"}]'],
    ["NETWORKS", `[{"caip2":"${SOLANA_DEVNET}"}]`],
    [
      "NETWORKS",
      `[{"caip2":"eip155:84532"},{"caip2":"${SOLANA_DEVNET}","rpcUrl":"https://node.example"}]`,
    ],
    ["NETWORKS", '[{"caip2":"eip155:8453","rpcUrl":"http://node.example/key"}]'],
    ["OPERATORS", "[]"],
    ["OPERATORS", '[{"name":"ann","token":"plain"}]'],
    ["QUOTE_SECRET", "short"],
  ])("with %s %j is refused, naming the key and not the value", (key, value) => {
    const source = { ...SOURCE, FACILITATORS: JSON.stringify([PAYAI]), [key]: value };
    let message = "";
    try {
      parseConfig(source);
    } catch (error) {
      if (error instanceof ConfigError) message = error.message;
    }
    expect(message).toMatch(new RegExp(`^configuration ${key}: `));
    expect(message).not.toMatch(/short|node\.example/);
  });

  it("that is wrong stops `claw dev` before anything is started", async () => {
    const state = await mkdtemp(join(tmpdir(), "claw-config-"));
    onTestFinished(() => rm(state, { recursive: true, force: true }));
    const flags = `--port 0 --state ${state} --rpc http://127.0.0.1:9`.split(" ");
    const url = "http://facilitator.example";
    const { code, stdout, stderr } = await runClaw(["dev", ...flags, "--facilitator", url]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("configuration FACILITATORS: 0.url must be https");
  });

  it("is refused by `claw dev --vars` too, where a file has what there are no flags for", async () => {
    const state = await mkdtemp(join(tmpdir(), "claw-config-"));
    onTestFinished(() => rm(state, { recursive: true, force: true }));
    const file = join(state, "variables.json");
    await writeFile(file, JSON.stringify({ FACILITATORS: [CDP], CDP_KEY_ID: "id" }));
    const flags = `--port 0 --state ${state} --rpc http://127.0.0.1:9 --vars ${file}`.split(" ");
    const { code, stdout, stderr } = await runClaw(["dev", ...flags]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("configuration FACILITATORS: cdp needs the secret CDP_KEY_SECRET");
  });

  it.each([
    ["is not JSON", "{"],
    ["is no object", "[]"],
    ["has a name that is none", '{"facilitators":[]}'],
  ])("is not looked for in a file that %s", async (_, text) => {
    const directory = await mkdtemp(join(tmpdir(), "claw-config-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const file = join(directory, "variables.json");
    await writeFile(file, text);
    await expect(readVariables(file)).rejects.toThrow(file);
    await expect(readVariables(join(directory, "none.json"))).rejects.toThrow("can't be read");
  });
});
