/** Longer than any address; what is beyond is not worth remembering. */
const ADDRESS_LENGTH_MAX = 64;
const IPV6_GROUPS = 8;
/** Whoever has an IPv6 address has at least 64 bits of them. */
const IPV6_NETWORK_GROUPS = 4;

/**
 * Who calls, as far as an address tells: an IPv4 address, or the network of an IPv6 one. Null on a platform that runs
 * on this machine, which Cloudflare stands in front of nothing of: its callers are all on this machine too.
 */
export function callerNetwork({ headers }: Request): string | null {
  const address = headers.get("CF-Connecting-IP")?.slice(0, ADDRESS_LENGTH_MAX) ?? null;
  return address?.includes(":") === true ? ipv6Network(address) : address;
}

function ipv6Network(address: string): string {
  const [head = "", tail = ""] = address.toLowerCase().split("::");
  const first = groupsOf(head);
  const last = groupsOf(tail);
  const zeros = Math.max(0, IPV6_GROUPS - first.length - last.length);
  return [...first, ...Array.from({ length: zeros }, () => "0"), ...last]
    .slice(0, IPV6_NETWORK_GROUPS)
    .join(":");
}

function groupsOf(text: string): string[] {
  return text === "" ? [] : text.split(":");
}
