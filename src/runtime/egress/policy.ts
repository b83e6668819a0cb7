/**
 * Where a tenant's code and its origin routes may connect to: https, to a public name, which the tenant listed.
 * Pure: decided from the URL alone, before anything is resolved (docs/egress.md says what that leaves open).
 */
import { hostFault, isWithin, type HostFault } from "./host.ts";

export interface EgressPolicy {
  /** `api.example.com`, or `*.example.com` for whatever is below it; with `:port` when that is not 443. */
  readonly allowedHosts: readonly string[];
  /** The platform's own domains, each with all that is below it: never reached, or a call could call itself. */
  readonly platformHosts: readonly string[];
}

export type EgressDenial =
  | HostFault
  | "malformed_url"
  | "not_https"
  | "credentials_in_url"
  | "platform_host"
  | "port_not_allowed"
  | "host_not_allowed";

export type EgressDecision =
  | { readonly verdict: "allowed"; readonly url: URL }
  | { readonly verdict: "denied"; readonly reason: EgressDenial };

/** One entry of an allow-list, taken apart. */
interface AllowedHost {
  readonly name: string;
  /** Whether it means the names below `name`, and not `name` itself. */
  readonly wildcard: boolean;
  /** Decimal; empty for 443, as in `URL.port`. */
  readonly port: string;
}

/** What is decided does not depend on the allow-list's order, and a fault of the host itself wins over the list. */
export function decideEgress(target: string, policy: EgressPolicy): EgressDecision {
  const url = URL.parse(target);
  if (url === null) return denied("malformed_url");
  if (url.protocol !== "https:") return denied("not_https");
  if (url.username !== "" || url.password !== "") return denied("credentials_in_url");
  const fault = hostFault(url.hostname);
  if (fault !== null) return denied(fault);
  if (policy.platformHosts.some((domain) => isWithin(url.hostname, domain))) {
    return denied("platform_host");
  }
  const entries = policy.allowedHosts
    .map(parseAllowedHost)
    .filter((entry) => entry !== null && coversName(entry, url.hostname));
  if (entries.length === 0) return denied("host_not_allowed");
  return entries.some((entry) => entry?.port === url.port)
    ? { verdict: "allowed", url }
    : denied("port_not_allowed");
}

/**
 * Whether this may stand in an allow-list: a public name in its canonical spelling (lower case, IDN as `xn--…`), or
 * `*.` and one of at least two labels, and a port that is not the usual one.
 */
export function isAllowedHostEntry(text: string): boolean {
  const entry = parseAllowedHost(text);
  return entry !== null && hostFault(entry.name) === null;
}

function parseAllowedHost(text: string): AllowedHost | null {
  const wildcard = text.startsWith("*.");
  const host = wildcard ? text.slice(2) : text;
  const url = URL.parse(`https://${host}`);
  // Anything that parsing changes (a path, a port of 443, capitals) is not the canonical spelling of a host.
  if (url === null || url.host !== host) return null;
  return { name: url.hostname, wildcard, port: url.port };
}

function coversName(entry: AllowedHost, hostname: string): boolean {
  return entry.wildcard ? hostname.endsWith(`.${entry.name}`) : hostname === entry.name;
}

function denied(reason: EgressDenial): EgressDecision {
  return { verdict: "denied", reason };
}
