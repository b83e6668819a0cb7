import { type TenantId, parseTenantId } from "../tenant/tenant-id.ts";
import { type CanonicalPath, canonicalPath } from "./canonical-path.ts";

export type Location =
  | {
      readonly found: "tenant";
      readonly tenantId: TenantId;
      /** Decoded segments below the tenant. */
      readonly segments: readonly string[];
      /** The canonical path below the tenant, still encoded, for example `/cities/S%C3%A3o`. */
      readonly path: string;
    }
  | { readonly found: "platform" }
  | { readonly found: "unknown_tenant" }
  | { readonly found: "invalid_path"; readonly problem: string };

/**
 * Whose URL this is: `/t/{tenant}/…` on the platform's own host, or `{tenant}.{base domain}`. Both give the same
 * tenant or none; a tenant's host has no platform routes.
 */
export function locateTenant(url: URL, baseDomain: string): Location {
  const host = url.hostname.toLowerCase();
  const suffix = `.${baseDomain}`;
  if (host.endsWith(suffix)) {
    return withTenant(host.slice(0, -suffix.length), url.pathname, canonicalPath(url.pathname));
  }
  if (url.pathname !== "/t" && !url.pathname.startsWith("/t/")) return { found: "platform" };
  const [, , tenant = "", ...rest] = url.pathname.split("/");
  const path = `/${rest.join("/")}`;
  return withTenant(tenant, path, canonicalPath(path));
}

function withTenant(tenant: string, path: string, canonical: CanonicalPath): Location {
  const tenantId = parseTenantId(tenant);
  if (tenantId === null) return { found: "unknown_tenant" };
  if (!canonical.ok) return { found: "invalid_path", problem: canonical.problem };
  return { found: "tenant", tenantId, segments: canonical.segments, path };
}
