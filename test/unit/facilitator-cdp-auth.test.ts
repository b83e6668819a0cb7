import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { cdpKeyProblem } from "../../src/facilitator/cdp-key.ts";
import { cdpCredentials } from "../support/cdp-credentials.ts";
import { describeCdpCalls } from "../support/cdp-facilitator.ts";

describeCdpCalls("Node");

const ecPem = (namedCurve: string, type: "pkcs8" | "sec1") =>
  generateKeyPairSync("ec", { namedCurve }).privateKey.export({ format: "pem", type }).toString();

async function ed25519Bytes(): Promise<Buffer> {
  const { auth } = await cdpCredentials("EdDSA");
  return Buffer.from(auth.secret, "base64");
}

describe("the secret of an API key", () => {
  it("is taken in both forms that are given out", async () => {
    expect(cdpKeyProblem((await cdpCredentials("EdDSA")).auth.secret)).toBeNull();
    expect(cdpKeyProblem((await cdpCredentials("ES256")).auth.secret)).toBeNull();
    expect(cdpKeyProblem(ecPem("P-256", "pkcs8"))).toBeNull();
  });

  it.each<[string, () => string | Promise<string>]>([
    ["nothing of the kind", () => "not a key"],
    ["a key of another curve", () => ecPem("P-384", "pkcs8")],
    ["a PEM that broke off", () => ecPem("P-256", "pkcs8").slice(0, 90)],
    ["half a key", async () => (await ed25519Bytes()).subarray(32).toString("base64")],
    [
      "two halves of different keys",
      async () =>
        Buffer.concat([
          (await ed25519Bytes()).subarray(0, 32),
          (await ed25519Bytes()).subarray(32),
        ]).toString("base64"),
    ],
  ])("is refused when it is %s", async (_, secret) => {
    expect(cdpKeyProblem(await secret())).toBe(
      "must be an Ed25519 key (base64) or a P-256 key (PKCS #8 PEM)",
    );
  });

  it("in the older form says how to convert it", () => {
    expect(cdpKeyProblem(ecPem("P-256", "sec1"))).toContain("openssl pkcs8 -topk8 -nocrypt");
  });
});
