/** API keys: 256 random bits that open one tenant's `/v1`. Only the SHA-256 is stored. */

declare const apiKeyBrand: unique symbol;

/** The secret itself: never logged, never stored. Only `makeApiKey` and `parseApiKey` make one. */
export type ApiKey = string & { readonly [apiKeyBrand]: true };

export const API_KEY_RANDOM_BYTES = 32;

/** `claw_` and 32 bytes in base64url: 43 characters, of which the last carries 4 bits (so 2 bits are zero). */
const API_KEY_PATTERN = /^claw_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** `claw_` and seven characters: enough for an owner to tell keys apart, 214 bits short of the key. */
const PREFIX_LENGTH = 12;

/** Makes the key of 32 bytes fresh from a secure random source. */
export function makeApiKey(randomBytes: Uint8Array): ApiKey {
  if (randomBytes.length !== API_KEY_RANDOM_BYTES) {
    throw new RangeError(`an API key is made of ${API_KEY_RANDOM_BYTES} random bytes`);
  }
  const key = `claw_${toBase64Url(randomBytes)}`;
  if (!isApiKey(key)) throw new Error("a made API key has the form of one");
  return key;
}

/** Returns the key, or null for anything that can't be one; nothing is looked up. */
export function parseApiKey(text: string): ApiKey | null {
  return isApiKey(text) ? text : null;
}

/** What is stored and looked up: SHA-256 of the key, lower-case hex. */
export async function hashApiKey(key: ApiKey): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The part people may see, to tell their keys apart. */
export function apiKeyPrefix(key: ApiKey): string {
  return key.slice(0, PREFIX_LENGTH);
}

function isApiKey(text: string): text is ApiKey {
  return API_KEY_PATTERN.test(text);
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
