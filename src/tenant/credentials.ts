/** Who is asking: `Authorization: Bearer …` with a tenant's API key or an operator's token. */
import { hashApiKey, parseApiKey } from "./api-key.ts";
import { findTenantByApiKeyHash } from "./directory/api-keys.ts";
import type { TenantRecord } from "./directory/tenants.ts";

/** RFC 6750, section 2.1, with any printable token; the length bounds what is hashed for a stranger. */
const BEARER_PATTERN = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** The bearer credential of a request, or null when there is none. */
export function bearerCredential(request: Request): string | null {
  return BEARER_PATTERN.exec(request.headers.get("Authorization") ?? "")?.[1] ?? null;
}

/** The tenant a credential opens, or null. What can't be a key never costs a look into the directory. */
export async function findTenantByCredential(
  db: D1Database,
  credential: string,
  nowMs: number,
): Promise<TenantRecord | null> {
  const apiKey = parseApiKey(credential);
  if (apiKey === null) return null;
  return findTenantByApiKeyHash(db, await hashApiKey(apiKey), nowMs);
}

/** Whether two secrets are the same, in time that tells nothing: both are hashed to one length first. */
export async function isSameSecret(presented: string, expected: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [presentedDigest, expectedDigest] = await Promise.all([
    crypto.subtle.digest("SHA-256", encoder.encode(presented)),
    crypto.subtle.digest("SHA-256", encoder.encode(expected)),
  ]);
  return crypto.subtle.timingSafeEqual(presentedDigest, expectedDigest);
}
