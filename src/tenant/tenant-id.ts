import * as z from "zod";

declare const tenantIdBrand: unique symbol;

/** A tenant's name: part of URLs, object names and dispatch keys. Only `parseTenantId` makes one. */
export type TenantId = string & { readonly [tenantIdBrand]: true };

/** Stands in a tenant's place for what concerns the platform as a whole; reserved, so no tenant is called that. */
export const PLATFORM = "platform";

/** Whom something is about. */
export type Scope = TenantId | typeof PLATFORM;

/** 3 to 32 characters: a DNS label (RFC 1035), lower case, so that host and path routing agree. */
const TENANT_ID_PATTERN = /^[a-z0-9](?:[a-z0-9-]{1,30}[a-z0-9])$/;

/** Names the platform needs for itself, or that would mislead payers. */
const RESERVED_TENANT_IDS: ReadonlySet<string> = new Set([
  "admin",
  "api",
  "app",
  "catalog",
  "claw",
  "402claw",
  "dashboard",
  "docs",
  "healthz",
  "localhost",
  "metrics",
  "payments",
  PLATFORM,
  "pricing",
  "status",
  "support",
  "www",
]);

/** Returns the branded id, or null for anything that is not one; never throws and never repairs. */
export function parseTenantId(value: string): TenantId | null {
  return isTenantId(value) ? value : null;
}

function isTenantId(value: string): value is TenantId {
  return TENANT_ID_PATTERN.test(value) && !value.includes("--") && !RESERVED_TENANT_IDS.has(value);
}

export const tenantIdSchema = z.string().refine(isTenantId, {
  error:
    "must be 3 to 32 characters of a-z, 0-9 and single hyphens, start and end with a letter or digit, and not be reserved",
});
