/** Hashes and encodings of the paid path. Everything that names a payment or a request goes through here. */
import { Buffer } from "node:buffer";
import { type KeyObject, createHmac, createSecretKey, hash, timingSafeEqual } from "node:crypto";

/**
 * SHA-256 in lower-case hex. Synchronous, like all here: each result of WebCrypto is waited for, and in a Worker a wait
 * costs far more than the hash of a short text.
 */
export function sha256Hex(data: string | Uint8Array): string {
  return hash("sha256", data, "hex");
}

/** SHA-256, for what is hashed again or compared byte by byte. */
export function sha256Bytes(data: Uint8Array): Uint8Array {
  return hash("sha256", data, "buffer");
}

export function toHex(bytes: Uint8Array): string {
  return bufferOver(bytes).toString("hex");
}

/** Base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return bufferOver(bytes).toString("base64url");
}

/** The same memory: `Buffer.from(bytes)` would copy it byte by byte. */
function bufferOver({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Null for anything that is not unpadded base64url. */
export function fromBase64Url(text: string): Uint8Array | null {
  const isCanonical = /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1;
  return isCanonical ? Buffer.from(text, "base64url") : null;
}

const hmacKeys = new Map<string, KeyObject>();

/** HMAC-SHA-256 under a secret; the imported key is remembered, there is one secret per environment. */
export function hmacSha256(secret: string, message: string): Uint8Array {
  return createHmac("sha256", hmacKey(secret)).update(message).digest();
}

/** Compares in constant time. */
export function verifyHmacSha256(secret: string, message: string, signature: Uint8Array): boolean {
  const expected = hmacSha256(secret, message);
  return signature.byteLength === expected.byteLength && timingSafeEqual(signature, expected);
}

function hmacKey(secret: string): KeyObject {
  const known = hmacKeys.get(secret);
  if (known !== undefined) return known;
  const key = createSecretKey(Buffer.from(secret, "utf8"));
  hmacKeys.set(secret, key);
  return key;
}
