/** API keys as the Coinbase Developer Platform gives them out, and its side of a token: WebCrypto, and no library. */
import type { FacilitatorAuth } from "../../src/facilitator/auth-config.ts";
import * as z from "zod";

export interface CdpCredentials {
  readonly auth: Extract<FacilitatorAuth, { type: "cdp" }>;
  /**
   * What a signed token says; null when it is not ours, or not for this call. Signature, times and `uris` are
   * checked as the platform documents it.
   */
  verify(call: {
    method: string;
    url: string;
    authorization: string | null;
  }): Promise<Claims | null>;
}

const headerSchema = z.object({
  alg: z.enum(["EdDSA", "ES256"]),
  kid: z.string(),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
});
const claimsSchema = z.object({
  sub: z.string(),
  iss: z.literal("cdp"),
  nbf: z.number(),
  exp: z.number(),
  uris: z.tuple([z.string()]),
});
type Claims = z.infer<typeof claimsSchema>;

const KEY_ID = "organizations/tests/apiKeys/5e3c1f0a";
const ALGORITHMS = {
  EdDSA: { name: "Ed25519" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
} as const;

/** A key pair of its own. */
export async function cdpCredentials(alg: keyof typeof ALGORITHMS): Promise<CdpCredentials> {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[alg], true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new Error("no key pair");
  const secret = await (alg === "EdDSA" ? ed25519Secret : pkcs8Pem)(pair.privateKey);
  return {
    auth: { type: "cdp", keyId: KEY_ID, secret },
    verify: async ({ method, url, authorization }) => {
      const [head = "", body = "", signature = "", ...rest] =
        authorization?.replace(/^Bearer /, "").split(".") ?? [];
      const isSigned = await crypto.subtle.verify(
        ALGORITHMS[alg],
        pair.publicKey,
        Buffer.from(signature, "base64url"),
        Buffer.from(`${head}.${body}`),
      );
      if (!isSigned || rest.length > 0) return null;
      const header = headerSchema.parse(fromBase64Url(head));
      const claims = claimsSchema.parse(fromBase64Url(body));
      const nowSeconds = Date.now() / 1_000;
      const { host, pathname } = new URL(url);
      const isForUs =
        header.alg === alg &&
        [header.kid, claims.sub].every((keyId) => keyId === KEY_ID) &&
        claims.nbf <= nowSeconds &&
        nowSeconds < claims.exp &&
        claims.uris[0] === `${method} ${host}${pathname}`;
      return isForUs ? claims : null;
    },
  };
}

function fromBase64Url(text: string): unknown {
  return JSON.parse(Buffer.from(text, "base64url").toString());
}

/** Base64 of seed and public key. */
async function ed25519Secret(key: CryptoKey): Promise<string> {
  const { d, x } = z
    .object({ d: z.string(), x: z.string() })
    .parse(await crypto.subtle.exportKey("jwk", key));
  return Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]).toString(
    "base64",
  );
}

async function pkcs8Pem(key: CryptoKey): Promise<string> {
  const der = z.instanceof(ArrayBuffer).parse(await crypto.subtle.exportKey("pkcs8", key));
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n");
}
