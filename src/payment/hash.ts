/** Hashes and encodings of the paid path. Everything that names a payment or a request goes through here. */
import { Buffer } from "node:buffer";

const encoder = new TextEncoder();

/** SHA-256 in lower-case hex. */
export async function sha256Hex(data: string | Uint8Array): Promise<string> {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** Null for anything that is not unpadded base64url. */
export function fromBase64Url(text: string): Uint8Array | null {
  const isCanonical = /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1;
  return isCanonical ? Buffer.from(text, "base64url") : null;
}

const hmacKeys = new Map<string, Promise<CryptoKey>>();

/** HMAC-SHA-256 under a secret; the imported key is remembered, there is one secret per environment. */
export async function hmacSha256(secret: string, message: string): Promise<Uint8Array> {
  const key = hmacKey(secret);
  return new Uint8Array(await crypto.subtle.sign("HMAC", await key, encoder.encode(message)));
}

/** Compares in constant time. */
export async function verifyHmacSha256(
  secret: string,
  message: string,
  signature: Uint8Array,
): Promise<boolean> {
  const key = await hmacKey(secret);
  return crypto.subtle.verify("HMAC", key, signature, encoder.encode(message));
}

function hmacKey(secret: string): Promise<CryptoKey> {
  const known = hmacKeys.get(secret);
  if (known !== undefined) return known;
  const key = crypto.subtle.importKey(
    "raw",
    encoder.encode(secret),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign", "verify"],
  );
  hmacKeys.set(secret, key);
  return key;
}
