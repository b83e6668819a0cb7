/**
 * The platform's own URLs while a request is answered. Problem documents are made wherever something goes wrong, so
 * the origin the request came in by travels with the request, not through every function.
 */
import { AsyncLocalStorage } from "node:async_hooks";

const origins = new AsyncLocalStorage<string>();

/** Answers a request with `platformUrl` giving URLs of this origin. */
export function atOrigin<Answer>(origin: string, answer: () => Answer): Answer {
  return origins.run(origin, answer);
}

/** @param path of the platform, for example `/errors/not_found`; stays relative where no request is being answered */
export function platformUrl(path: `/${string}`): string {
  return `${origins.getStore() ?? ""}${path}`;
}

/**
 * Where the platform's own routes are for whoever sent a request: the same origin, or the base domain above a tenant's
 * host, which has none.
 *
 * The base domain has no port; the request's scheme and port are kept, whatever they are locally.
 */
export function platformOrigin(
  requestUrl: string,
  { baseDomain, adminHost }: { readonly baseDomain: string; readonly adminHost: string | null },
): string {
  const url = URL.parse(requestUrl);
  if (url === null) return "";
  if (url.host === adminHost || labelsBelow(url, baseDomain) === null) return url.origin;
  return `${url.protocol}//${baseDomain}${url.port === "" ? "" : `:${url.port}`}`;
}

/**
 * What stands in front of the base domain in a URL's host; null for a host that is not below it. A name that ends in a
 * dot is the same name (RFC 1034 section 3.1).
 */
export function labelsBelow({ hostname }: URL, baseDomain: string): string | null {
  const host = hostname.toLowerCase().replace(/\.+$/, "");
  return host.endsWith(`.${baseDomain}`) ? host.slice(0, -baseDomain.length - 1) : null;
}
