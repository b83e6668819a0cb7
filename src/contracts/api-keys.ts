/** Bodies of `/v1/keys` and `POST /admin/tenants/{id}/keys`. Times are milliseconds since the epoch. */
import * as z from "zod";
import { tenantIdSchema } from "../tenant/tenant-id.ts";
import { reasonSchema } from "./admin-payments.ts";

/** Long enough to bring a new key to every machine, over a week's holidays too. */
const OVERLAP_SECONDS_MAX = 7 * 24 * 60 * 60;
const OVERLAP_SECONDS_DEFAULT = 24 * 60 * 60;

/** What is known of a key: never the key, nor its hash. */
export const apiKeySchema = z.object({
  /** First characters of the key: its name. */
  prefix: z.string(),
  createdAtMs: z.number().int(),
  /** Null for a key that does not expire. */
  expiresAtMs: z.number().int().nullable(),
  revokedAtMs: z.number().int().nullable(),
});

export const apiKeyListSchema = z.object({
  /** Newest first; of those that are no longer valid, the last few. */
  keys: z.array(
    apiKeySchema.extend({
      /** Whether it is the one this request was made with. */
      current: z.boolean(),
    }),
  ),
});
export type ApiKeyList = z.infer<typeof apiKeyListSchema>;

/** `POST /v1/keys`. */
export const createApiKeyRequestSchema = z.strictObject({
  /** ISO 8601 with its offset. */
  expiresAt: z.iso
    .datetime({ offset: true, error: "must be a time such as 2027-01-31T00:00:00Z" })
    .transform((text) => Date.parse(text))
    .optional(),
});

/** `POST /v1/keys/rotate`. */
export const rotateApiKeyRequestSchema = z.strictObject({
  /** How long the key that asks stays valid beside the new one. */
  overlapSeconds: z.int().min(0).max(OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS_DEFAULT),
});

/** `POST /admin/tenants/{id}/keys`. */
export const issueApiKeyRequestSchema = z.strictObject({
  reason: reasonSchema,
  /** Where the others may be in wrong hands. */
  revokeOthers: z.boolean().default(false),
});

export const createdApiKeySchema = z.object({
  tenantId: tenantIdSchema,
  /** Shown this once; only its hash is kept. */
  apiKey: z.string(),
  prefix: z.string(),
  createdAtMs: z.number().int(),
  expiresAtMs: z.number().int().nullable(),
});
export type CreatedApiKey = z.infer<typeof createdApiKeySchema>;

export const rotatedApiKeySchema = createdApiKeySchema.extend({
  /** The key that asked. */
  replaced: z.object({ prefix: z.string(), expiresAtMs: z.number().int() }),
});
export type RotatedApiKey = z.infer<typeof rotatedApiKeySchema>;
