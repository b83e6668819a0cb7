/**
 * Which hosts could be somebody's public API at all. Pure; hosts come from a parsed `URL`, which has brought every
 * spelling of an address (decimal, octal, hexadecimal, short, full-width) and of a name (case, IDN) to one form.
 */

/** Why a host is never reached, whatever an allow-list says. */
export type HostFault = "address_literal" | "reserved_name" | "malformed_host";

/** RFC 1123 labels. Names that end in a dot are no second spelling of the same host here: they are refused. */
const LABEL_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const NAME_CHARACTERS_MAX = 253;

/**
 * Last labels that never are public: special-use names (RFC 6761, 6762, 7686, 8375, 9476), `internal`, which ICANN
 * reserved for private use and clouds serve metadata under, and what resolvers in private networks make up.
 */
const RESERVED_LAST_LABELS: ReadonlySet<string> = new Set([
  "alt",
  "arpa",
  "cluster",
  "corp",
  "home",
  "internal",
  "intranet",
  "invalid",
  "lan",
  "local",
  "localdomain",
  "localhost",
  "onion",
  "private",
  "svc",
  "test",
]);

/** Public names of private things: zones that resolve to whatever address is asked for, and clouds' metadata. */
const RESERVED_DOMAINS: readonly string[] = [
  "1u.ms",
  "lacolhost.com",
  "localtest.me",
  "lvh.me",
  "metadata.goog",
  "metadata.packet.net",
  "metadata.platformequinix.com",
  "metadata.tencentyun.com",
  "nip.io",
  "rbndr.us",
  "sslip.io",
  "traefik.me",
  "vcap.me",
  "xip.io",
];

/** @param hostname of a parsed URL @returns null for a name that may be public */
export function hostFault(hostname: string): HostFault | null {
  // The parser makes an IPv4 address of whatever ends in a number, or refuses it.
  if (hostname.startsWith("[") || /^[0-9.]+$/.test(hostname)) return "address_literal";
  const labels = hostname.split(".");
  const isName =
    hostname.length <= NAME_CHARACTERS_MAX && labels.every((label) => LABEL_PATTERN.test(label));
  if (!isName) return isReserved(hostname.replace(/\.+$/, "")) ? "reserved_name" : "malformed_host";
  // A single label is what a search domain completes: a neighbour in somebody's network.
  return labels.length === 1 || isReserved(hostname) ? "reserved_name" : null;
}

/** Whether a name is this domain or below it. */
export function isWithin(hostname: string, domain: string): boolean {
  return hostname === domain || hostname.endsWith(`.${domain}`);
}

function isReserved(name: string): boolean {
  const lastLabel = name.slice(name.lastIndexOf(".") + 1);
  return (
    RESERVED_LAST_LABELS.has(lastLabel) || RESERVED_DOMAINS.some((domain) => isWithin(name, domain))
  );
}
