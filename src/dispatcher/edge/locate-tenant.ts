import { labelsBelow } from "../../payment/platform-url.ts";
import type { PlatformConfig } from "../../config.ts";
import { type TenantId, parseTenantId } from "../../tenant/tenant-id.ts";
import { canonicalPath } from "./canonical-path.ts";

export type Location =
  | {
      readonly found: "tenant";
      readonly tenantId: TenantId;
      /** Decoded segments below the tenant. */
      readonly segments: readonly string[];
      /** The canonical path below the tenant, still encoded, for example `/cities/S%C3%A3o`. */
      readonly path: string;
      /** The whole URL with that path, and without a fragment: the one that is quoted. */
      readonly url: URL;
    }
  | {
      readonly found: "platform";
      /** As it was sent. */
      readonly path: string;
    }
  | { readonly found: "unknown_tenant" }
  | {
      readonly found: "invalid_path";
      /** A sentence. */
      readonly problem: string;
    };

/** With the longest path still short enough to be echoed in a payment header (`PAYMENT_HEADER_MAX`). */
const QUERY_LENGTH_MAX = 6_144;

/** Scheme and authority end where the path begins; a backslash begins one too, for the parser of the URL. */
const RAW_PATH_PATTERN = /^[a-z]+:\/\/[^/\\?#]*([^?#]*)/i;

/** The platform's hosts, as it is configured. */
export type PlatformHosts = Pick<PlatformConfig, "baseDomain" | "adminHost">;

/**
 * Whose URL this is: `/t/{tenant}/…` on the platform's own host, or `{tenant}.{base domain}`. Both give the same
 * tenant or none; a tenant's host has no platform routes, and the operators' host no tenants.
 * @param requestUrl as the request has it, not parsed
 */
export function locateTenant(
  requestUrl: string,
  { baseDomain, adminHost }: PlatformHosts,
): Location {
  const url = URL.parse(requestUrl);
  if (url === null) return { found: "invalid_path", problem: "The URL can't be parsed." };
  const rawPath = RAW_PATH_PATTERN.exec(requestUrl)?.[1] || "/";
  if (url.host === adminHost) return { found: "platform", path: rawPath };
  const tenantLabel = labelsBelow(url, baseDomain);
  if (tenantLabel !== null) return withTenant(url, tenantLabel, "", rawPath);
  if (rawPath !== "/t" && !rawPath.startsWith("/t/")) return { found: "platform", path: rawPath };
  const [, , tenant = "", ...rest] = rawPath.split("/");
  return withTenant(url, tenant, `/t/${tenant}`, `/${rest.join("/")}`);
}

function withTenant(url: URL, tenant: string, prefix: string, rawPath: string): Location {
  const tenantId = parseTenantId(tenant);
  if (tenantId === null) return { found: "unknown_tenant" };
  const canonical = canonicalPath(rawPath);
  if (!canonical.ok) return { found: "invalid_path", problem: canonical.problem };
  if (url.search.length > QUERY_LENGTH_MAX) {
    const problem = `The query is longer than ${QUERY_LENGTH_MAX} characters.`;
    return { found: "invalid_path", problem };
  }
  const { segments, path } = canonical;
  const quoted = new URL(`${prefix}${path}${url.search}`, url.origin);
  return { found: "tenant", tenantId, segments, path, url: quoted };
}
