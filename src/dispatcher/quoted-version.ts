/** Which version of a tenant's deployments serves a payment: the one that was quoted, for as long as the quote lasts. */
import type { PlatformConfig } from "../config.ts";
import type { TenantSnapshot } from "../contracts/snapshot.ts";
import type { DecodedPayment } from "../payment/decode-payment.ts";
import { readQuote } from "../payment/quote-token.ts";
import { readVersion } from "../tenant/deployed-snapshots.ts";

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
 */
export async function saleFor(
  env: { readonly DB: D1Database },
  { quoteSecret }: Pick<PlatformConfig, "quoteSecret">,
  snapshot: TenantSnapshot,
  payment: Pick<DecodedPayment, "accepted">,
  nowMs: number,
): Promise<Sale> {
  const onSale: Sale = { snapshot, offeredUntilSeconds: null };
  if (snapshot.deletedAtMs !== undefined) return onSale;
  const token = payment.accepted?.quote ?? null;
  const quote = token === null ? null : readQuote(token, quoteSecret);
  if (quote === null || quote.tenantId !== snapshot.tenantId) return onSale;
  const { version, expiresAtSeconds } = quote;
  if (version === snapshot.version || nowMs >= expiresAtSeconds * 1_000) return onSale;
  try {
    const quoted = await readVersion(env, snapshot.tenantId, version, nowMs);
    return quoted === null ? onSale : { snapshot: quoted, offeredUntilSeconds: expiresAtSeconds };
  } catch (error) {
    const { tenantId } = snapshot;
    const event = { event: "quoted_version_unread", tenantId, version, error: String(error) };
    console.error(JSON.stringify(event));
    return onSale;
  }
}
