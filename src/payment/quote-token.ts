/**
 * The quote token in `accepts[].extra.quote`: which terms were offered, signed by us. It is stateless, so a 402 costs
 * no storage; it lets a price change honour what was already quoted; and since clients echo it in `accepted` but it
 * never goes to a facilitator or the chain, knowing it proves that a resend comes from the payer.
 */
import * as z from "zod";
import type { QuotedFacilitator } from "../facilitator/port.ts";
import { fromBase64Url, hmacSha256, toBase64Url, verifyHmacSha256 } from "./hash.ts";

/** What a quote promises. Amounts are atomic units in decimal text, times seconds since the epoch. */
export interface QuotedTerms {
  readonly tenantId: string;
  /** Method-independent name of what is sold: the route's path pattern. */
  readonly route: string;
  readonly scheme: string;
  /** Null when the scheme is the one that is meant without a name. */
  readonly transferMethod: string | null;
  readonly network: string;
  readonly asset: string;
  readonly amountAtomic: string;
  readonly payTo: string;
  /** Version of the tenant's snapshot that had this price. */
  readonly version: number;
  readonly expiresAtSeconds: number;
  /** Who has to settle it; null where anybody may. */
  readonly facilitator: QuotedFacilitator | null;
}

/** 128 bits: nobody guesses a quote of somebody else's. */
export const QUOTE_NONCE_BYTES = 16;
/** A token is about 400 characters; what a facilitator adds to it is an address or two. */
const TOKEN_LENGTH_MAX = 2_048;
const VERSION_PREFIX = "q2";

const claimsSchema = z.tuple([
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.number(),
  z.number(),
  z.string().nullable(),
  z.string().nullable(),
  z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
]);

export function signQuote(terms: QuotedTerms, nonce: Uint8Array, secret: string): string {
  const claims: z.infer<typeof claimsSchema> = [
    toBase64Url(nonce),
    terms.tenantId,
    terms.route,
    terms.scheme,
    terms.network,
    terms.asset,
    terms.amountAtomic,
    terms.payTo,
    terms.version,
    terms.expiresAtSeconds,
    terms.transferMethod,
    terms.facilitator?.facilitatorId ?? null,
    terms.facilitator?.extra ?? {},
  ];
  const body = toBase64Url(new TextEncoder().encode(JSON.stringify(claims)));
  const signature = toBase64Url(hmacSha256(secret, `${VERSION_PREFIX}.${body}`));
  return `${VERSION_PREFIX}.${body}.${signature}`;
}

/** The terms of a token we signed, expired or not; null for anything else. */
export function readQuote(token: string, secret: string): QuotedTerms | null {
  if (token.length > TOKEN_LENGTH_MAX) return null;
  const [prefix, body, signature, ...rest] = token.split(".");
  if (
    prefix !== VERSION_PREFIX ||
    body === undefined ||
    signature === undefined ||
    rest.length > 0
  ) {
    return null;
  }
  const signatureBytes = fromBase64Url(signature);
  const bodyBytes = fromBase64Url(body);
  if (signatureBytes === null || bodyBytes === null) return null;
  if (!verifyHmacSha256(secret, `${prefix}.${body}`, signatureBytes)) return null;
  const claims = claimsSchema.parse(JSON.parse(new TextDecoder().decode(bodyBytes)));
  const [
    ,
    tenantId,
    route,
    scheme,
    network,
    asset,
    amountAtomic,
    payTo,
    version,
    expiresAtSeconds,
    transferMethod,
    facilitatorId,
    extra,
  ] = claims;
  return {
    tenantId,
    route,
    scheme,
    network,
    asset,
    amountAtomic,
    payTo,
    version,
    expiresAtSeconds,
    transferMethod,
    facilitator: facilitatorId === null ? null : { facilitatorId, extra },
  };
}
