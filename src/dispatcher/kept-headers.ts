/** What of a handler's answer goes to its payer. One tenant's answer must say nothing about another tenant's URLs. */
import type { StoredHeader } from "../contracts/ledger.ts";
import type { Destination } from "./paid-route.ts";

const DROPPED_HEADERS: ReadonlySet<string> = new Set([
  // Ours to set.
  "x-payment",
  "idempotent-replayed",
  "settlement-overrides",
  "cache-control",
  "content-length",
  // Meaningless beyond one connection (RFC 9110 section 7.6.1).
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // What a browser takes for said about the whole origin, which tenants share, or about the hosts beside it.
  "accept-ch",
  "alt-svc",
  "clear-site-data",
  "nel",
  "report-to",
  "service-worker-allowed",
  "set-cookie",
  "strict-transport-security",
]);

/** Of headers about the payment, which are all ours to set. */
const PAYMENT_PREFIXES = ["payment-", "x-payment-"];

/**
 * An origin of its own for a document that a browser shows, without scripts, forms or storage. For every content type,
 * because more than HTML runs scripts (SVG, XML, what a browser guesses). A policy of the handler's applies too.
 */
const SANDBOX: StoredHeader = { name: "Content-Security-Policy", value: "sandbox" };

/**
 * Names and values together. Node's client gives up on an answer with 16 KiB of headers, and nobody is to pay for what
 * can't be read; the other half is for the platform's own.
 */
export const KEPT_HEADERS_LENGTH_MAX = 8_192;

/** Characters of these headers. */
export function lengthOf(headers: readonly StoredHeader[]): number {
  return headers.reduce((length, { name, value }) => length + name.length + value.length, 0);
}

/** The headers of a handler's answer that its payer gets. */
export function keptHeaders(headers: Headers, sold: Pick<Destination, "url" | "target">) {
  const kept = [...headers]
    .filter(([name]) => !isDropped(name.toLowerCase()))
    .map(([name, value]): StoredHeader => ({ name, value }));
  return isOnSharedOrigin(sold) ? [...kept, SANDBOX] : kept;
}

function isDropped(name: string): boolean {
  return DROPPED_HEADERS.has(name) || PAYMENT_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Below the platform's own host, where the path has the tenant in front of what it sells. */
function isOnSharedOrigin({ url, target }: Pick<Destination, "url" | "target">): boolean {
  return url.href !== `${url.origin}${target}`;
}
