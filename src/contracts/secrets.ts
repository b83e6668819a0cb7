/** Tenants' secrets on the wire and in storage: values go in, and never come out again. */
import * as z from "zod";

/** Like an environment variable, which is what code and manifests call it by. */
export const secretNameSchema = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, "must be 1 to 64 characters of A-Z, 0-9 and _");

/** Of one tenant. Routes name one each, and mostly the same one. */
export const SECRETS_MAX = 32;

/** Shorter ones could not be told from ordinary text when an answer is searched for them; longer ones are documents. */
const SECRET_CHARACTERS_MIN = 8;
const SECRET_CHARACTERS_MAX = 4_096;

/** What an HTTP header can carry (RFC 9110, section 5.5), since that is where secrets go. */
export const secretValueSchema = z
  .string()
  .min(SECRET_CHARACTERS_MIN)
  .max(SECRET_CHARACTERS_MAX)
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, "must be printable ASCII in one line");

/** `PUT /v1/secrets/{name}`. */
export const putSecretRequestSchema = z.strictObject({ value: secretValueSchema });

/** `GET /v1/secrets`, and the answer to `PUT`. */
export const secretViewSchema = z.object({ name: z.string(), updatedAtMs: z.number().int() });
export type SecretView = z.infer<typeof secretViewSchema>;

export const secretListSchema = z.object({ secrets: z.array(secretViewSchema) });
export type SecretList = z.infer<typeof secretListSchema>;

/** A secret as D1 and the published snapshot hold it. */
export const sealedSecretSchema = z.object({
  /** Which of the platform's keys opens it. */
  keyId: z.string(),
  /** Nonce, ciphertext and tag, base64url. */
  sealed: z.string(),
});
export type SealedSecret = z.infer<typeof sealedSecretSchema>;

/** `POST /admin/secrets/re-encrypt`. */
export const reEncryptResponseSchema = z.object({
  /** Secrets that are now under the newest key. */
  reEncrypted: z.number().int(),
  /** Secrets still under older keys: ask again until there are none. */
  remaining: z.number().int(),
  /**
   * Secrets under keys that are not configured, lost unless the key comes back; and those that were tampered with, which
   * the log names.
   */
  unreadable: z.number().int(),
});
export type ReEncryptResponse = z.infer<typeof reEncryptResponseSchema>;
