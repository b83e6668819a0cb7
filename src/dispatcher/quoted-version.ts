/**
 * Which version of a tenant's deployments serves a payment: the one that was quoted, for as long as the quote lasts. A
 * v1 payment brings no quote back: there it is what was on sale within the time that a payer has to sign.
 */
import type { PlatformConfig } from "../config.ts";
import type { TenantSnapshot } from "../contracts/snapshot.ts";
import type { DecodedPayment } from "../payment/decode-payment.ts";
import { MAX_TIMEOUT_SECONDS } from "../payment/offer.ts";
import { readQuote } from "../payment/quote-token.ts";
import { readVersion } from "../tenant/deployed-snapshots.ts";
import { matchRoute } from "./edge/match-route.ts";

/** What a request can buy. */
export interface Sale {
  readonly snapshot: TenantSnapshot;
  /** When this ends, seconds since the epoch; null for what is on sale. */
  readonly offeredUntilSeconds: number | null;
}

/**
 * A quote promises a route, its price and its handler. Where another version is on sale by now, or where this edge has
 * not heard yet of the one that was quoted, the quoted one is read from the directory. Should that fail, what is on
 * sale serves the payment, at the quoted price if it has the route.
 * @param segments of the path below the tenant, decoded
 */
export async function saleFor(
  env: { readonly DB: D1Database },
  { quoteSecret }: Pick<PlatformConfig, "quoteSecret">,
  snapshot: TenantSnapshot,
  payment: Pick<DecodedPayment, "accepted" | "value">,
  segments: readonly string[],
  nowMs: number,
): Promise<Sale> {
  const onSale: Sale = { snapshot, offeredUntilSeconds: null };
  if (snapshot.deletedAtMs !== undefined) return onSale;
  const promised = promisedTo(payment, snapshot, quoteSecret);
  if (promised === null || promised.version === snapshot.version) return onSale;
  const { version, untilSeconds } = promised;
  if (nowMs >= untilSeconds * 1_000) return onSale;
  const isQuoted = payment.accepted !== null;
  if (!isQuoted && isPriceOf(snapshot, segments, payment.value)) return onSale;
  try {
    const sold = await readVersion(env, snapshot.tenantId, version, nowMs);
    if (sold === null || (!isQuoted && !isPriceOf(sold, segments, payment.value))) return onSale;
    return { snapshot: sold, offeredUntilSeconds: untilSeconds };
  } catch (error) {
    const { tenantId } = snapshot;
    const event = { event: "quoted_version_unread", tenantId, version, error: String(error) };
    console.error(JSON.stringify(event));
    return onSale;
  }
}

/** The version that a payment may have been made for, and until when it is kept to; null for what is on sale. */
function promisedTo(
  { accepted }: Pick<DecodedPayment, "accepted">,
  { tenantId, replaced }: TenantSnapshot,
  quoteSecret: string,
): { readonly version: number; readonly untilSeconds: number } | null {
  if (accepted === null) {
    if (replaced === undefined) return null;
    const replacedAtSeconds = Math.floor(replaced.atMs / 1_000);
    return { version: replaced.version, untilSeconds: replacedAtSeconds + MAX_TIMEOUT_SECONDS };
  }
  const quote = accepted.quote === null ? null : readQuote(accepted.quote, quoteSecret);
  return quote?.tenantId === tenantId
    ? { version: quote.version, untilSeconds: quote.expiresAtSeconds }
    : null;
}

/** Whether this amount buys what this version sells there. */
function isPriceOf(
  { routes }: TenantSnapshot,
  segments: readonly string[],
  amountAtomic: bigint,
): boolean {
  const route = matchRoute(routes, segments)?.route;
  const { priceAtomic, options = [] } = route ?? {};
  return [priceAtomic, ...options.map((option) => option.amountAtomic)].includes(
    String(amountAtomic),
  );
}
