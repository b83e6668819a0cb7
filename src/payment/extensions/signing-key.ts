/**
 * The key that signs offers and receipts for third parties: Ed25519, derived from the platform's quote secret, so that
 * there is no further secret to keep, and published as a DID document by every host of the platform (`did:web`). It
 * signs statements only; nothing that moves money derives from it.
 */
import { Buffer } from "node:buffer";
import { type KeyObject, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { hmacSha256, sha256Hex, toBase64Url } from "../hash.ts";
import type { JsonObject } from "../wire.ts";

/** What else is made from the secret begins otherwise. */
const DERIVATION = "offer-receipt signing key 1";
/** PKCS #8 around an Ed25519 private key (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const KEY_NAME_DIGITS = 16;

export interface SigningKey {
  readonly privateKey: KeyObject;
  /** The public key's 32 bytes in base64url: `x` of its JWK. */
  readonly x: string;
  /** What tells it from keys before and after it, within a DID. */
  readonly name: string;
}

const keys = new Map<string, SigningKey>();

export function signingKeyOf(quoteSecret: string): SigningKey {
  const known = keys.get(quoteSecret);
  if (known !== undefined) return known;
  const seed = hmacSha256(quoteSecret, DERIVATION);
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  if (x === undefined) throw new Error("an Ed25519 key has an x");
  const key = { privateKey, x, name: `key-${sha256Hex(x).slice(0, KEY_NAME_DIGITS)}` };
  keys.set(quoteSecret, key);
  return key;
}

/** JWS Compact Serialization (RFC 7515) of a statement made by a host; the payload is canonical JSON (RFC 8785). */
export function signStatement(statement: JsonObject, host: string, key: SigningKey): string {
  const header = { alg: "EdDSA", kid: `${didOf(host)}#${key.name}` };
  const input = `${encode(header)}.${encode(inCanonicalOrder(statement))}`;
  const signature = sign(null, Buffer.from(input, "utf8"), key.privateKey);
  return `${input}.${toBase64Url(signature)}`;
}

/** `/.well-known/did.json` of a host: which key speaks for what it sells. */
export function didDocument(host: string, { x, name }: SigningKey): JsonObject {
  const did = didOf(host);
  const id = `${did}#${name}`;
  return {
    "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
    id: did,
    verificationMethod: [
      {
        id,
        type: "JsonWebKey2020",
        controller: did,
        publicKeyJwk: { kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig", x },
      },
    ],
    assertionMethod: [id],
  };
}

/** @param host with its port, if any */
function didOf(host: string): string {
  return `did:web:${host.replace(":", "%3A")}`;
}

/** Statements are flat, so that sorting their members is all there is to do. */
function inCanonicalOrder(statement: JsonObject): JsonObject {
  const members = Object.entries(statement);
  return Object.fromEntries(members.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function encode(value: JsonObject): string {
  return toBase64Url(Buffer.from(JSON.stringify(value), "utf8"));
}
