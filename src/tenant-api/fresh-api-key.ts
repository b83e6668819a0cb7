import {
  API_KEY_RANDOM_BYTES,
  type ApiKey,
  apiKeyPrefix,
  hashApiKey,
  makeApiKey,
} from "../tenant/api-key.ts";
import type { NewApiKey } from "../tenant/directory/api-keys.ts";

export interface FreshApiKey {
  /** For its owner, once. */
  readonly apiKey: ApiKey;
  /** For the directory. */
  readonly record: NewApiKey;
}

/** Makes a key that nobody has seen. */
export async function freshApiKey(
  createdAtMs: number,
  expiresAtMs: number | null,
): Promise<FreshApiKey> {
  const apiKey = makeApiKey(crypto.getRandomValues(new Uint8Array(API_KEY_RANDOM_BYTES)));
  const hash = await hashApiKey(apiKey);
  return { apiKey, record: { hash, prefix: apiKeyPrefix(apiKey), createdAtMs, expiresAtMs } };
}
