/** The platform's keys, which encrypt what tenants entrust to it: the Worker secret `PLATFORM_KEYS`. */
import * as z from "zod";
import { ConfigError, parseJson } from "../../config-source.ts";

/** AES-256. */
const KEY_BASE64_PATTERN = /^[A-Za-z0-9+/]{43}=$/;

/** One in use, and older ones until what they encrypted is encrypted anew. */
const KEYS_MAX = 8;

const platformKeySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "must be 1 to 32 characters of a-z, 0-9 and -"),
  key: z.string().regex(KEY_BASE64_PATTERN, "must be 32 random bytes in base64"),
});
export type PlatformKey = z.infer<typeof platformKeySchema>;

/** Newest first: the first encrypts, all decrypt. */
const platformKeysSchema = z
  .array(platformKeySchema)
  .min(1)
  .max(KEYS_MAX)
  .refine((keys) => new Set(keys.map(({ id }) => id)).size === keys.length, "has an id twice");
export type PlatformKeys = readonly [PlatformKey, ...PlatformKey[]];

/** The variable they are read from; `Env` has it. */
export interface PlatformKeysSource {
  readonly PLATFORM_KEYS?: string;
}

/** @throws ConfigError when there are none, or they are malformed; never with a key in the message */
export function platformKeysOf({ PLATFORM_KEYS }: PlatformKeysSource): PlatformKeys {
  if (PLATFORM_KEYS === undefined || PLATFORM_KEYS === "") {
    throw new ConfigError("PLATFORM_KEYS", "must be set before secrets can be kept");
  }
  const [first, ...older] = parseJson("PLATFORM_KEYS", PLATFORM_KEYS, platformKeysSchema);
  if (first === undefined) throw new ConfigError("PLATFORM_KEYS", "must have a key");
  return [first, ...older];
}
