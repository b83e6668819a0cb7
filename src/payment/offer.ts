/**
 * What a route costs, as x402 objects: the v2 `PaymentRequired` for the PAYMENT-REQUIRED header and the v1 document
 * for the body, so that one 402 serves old and new clients (specs/transports-v2/http.md; v1 http.md).
 */
import { type NetworkConfig, findAsset } from "../config.ts";
import type { PaymentOption, Route, TenantSnapshot } from "../contracts/snapshot.ts";
import type { QuotedFacilitator } from "../facilitator/port.ts";
import type { AssetConfig } from "./default-assets.ts";
import { isKnownToV1Clients, v1NetworkName } from "./networks.ts";
import type { Scheme } from "./scheme.ts";
import { findScheme } from "./schemes/all.ts";
import type { JsonObject } from "./wire.ts";

/** How long a payer has to sign, and facilitators to settle, in seconds. */
export const MAX_TIMEOUT_SECONDS = 300;

/** One way to pay for a route, at the terms in force now. */
export interface Offer {
  readonly scheme: Scheme;
  readonly network: NetworkConfig;
  readonly asset: AssetConfig;
  readonly amountAtomic: bigint;
  readonly payTo: string;
  /** `authorization` settles after the handler answered, `upfront` before it runs (x402 v2, section 6.1). */
  readonly paymentFlow: "authorization" | "upfront";
  /** Who has to settle it, once a quote has named one; null before that, and where anybody may. */
  readonly facilitator: QuotedFacilitator | null;
}

/** An offer with the token that proves it. */
export interface Quote {
  readonly offer: Offer;
  readonly token: string;
}

/**
 * The ways to pay for a route, in its tenant's order: all that are still configured.
 * @throws when there is none
 */
export function offersOf(
  snapshot: TenantSnapshot,
  route: Route,
  networks: readonly NetworkConfig[],
): readonly [Offer, ...Offer[]] {
  const paymentFlow = route.settlement === "before" ? "upfront" : "authorization";
  const [first, ...others] = (route.options ?? [plainOption(snapshot, route, networks)]).flatMap(
    (option): Offer[] => {
      const network = networks.find(({ caip2 }) => caip2 === option.network);
      const asset = network === undefined ? null : findAsset(network, option.asset);
      const scheme = findScheme(option.scheme, option.network, option.transferMethod);
      if (network === undefined || asset === null || scheme === null) return [];
      const amountAtomic = BigInt(option.amountAtomic);
      const payTo = option.payTo ?? snapshot.payTo;
      return [{ scheme, network, asset, amountAtomic, payTo, paymentFlow, facilitator: null }];
    },
  );
  if (first === undefined) {
    throw new Error(
      `${snapshot.tenantId}${route.path} is sold on networks that are not configured`,
    );
  }
  return [first, ...others];
}

/** A price without a list: in the first token of the tenant's network. */
function plainOption(
  { network, tenantId }: TenantSnapshot,
  { priceAtomic }: Route,
  networks: readonly NetworkConfig[],
): PaymentOption {
  const config = networks.find(({ caip2 }) => caip2 === network);
  if (config === undefined)
    throw new Error(`tenant ${tenantId} sells on ${network}: not configured`);
  const { address } = config.asset;
  return {
    scheme: "exact",
    transferMethod: null,
    network,
    asset: address,
    amountAtomic: priceAtomic,
    payTo: null,
  };
}

/** What the client needs to sign. The default flow is left out, as the reference server does. */
function extraOf({ scheme, asset, facilitator, paymentFlow }: Offer): JsonObject {
  return {
    ...scheme.offerExtra(asset, facilitator?.extra ?? {}),
    ...(paymentFlow === "upfront" ? { paymentFlow } : {}),
  };
}

/** The v2 requirements of an offer, as facilitators take them: without the quote token. */
export function requirementsV2(offer: Offer): JsonObject {
  return {
    scheme: offer.scheme.name,
    network: offer.network.caip2,
    amount: String(offer.amountAtomic),
    asset: offer.asset.address,
    payTo: offer.payTo,
    maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
    extra: extraOf(offer),
  };
}

/** Whether v1 has words for an offer. It names no token back, so that each network has its first one there. */
export function isInV1({ scheme, network, asset, paymentFlow }: Offer): boolean {
  return (
    scheme.isInV1 &&
    paymentFlow === "authorization" &&
    asset.address === network.asset.address &&
    v1NetworkName(network.caip2) !== null
  );
}

/** The v1 requirements of an offer; null where v1 has no words for it. */
export function requirementsV1(offer: Offer, resource: ResourceInfo): JsonObject | null {
  const network = v1NetworkName(offer.network.caip2);
  if (network === null || !isInV1(offer)) return null;
  return {
    scheme: offer.scheme.name,
    network,
    maxAmountRequired: String(offer.amountAtomic),
    resource: resource.url,
    description: resource.description,
    mimeType: resource.mimeType,
    payTo: offer.payTo,
    maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
    asset: offer.asset.address,
    extra: extraOf(offer),
  };
}

export interface ResourceInfo {
  readonly url: string;
  readonly description: string;
  readonly mimeType: string;
}

export function paymentRequiredV2(
  quotes: readonly Quote[],
  resource: ResourceInfo,
  error: string | null,
): JsonObject {
  return {
    x402Version: 2,
    ...(error === null ? {} : { error }),
    resource: { ...resource },
    accepts: quotes.map(({ offer, token }) => ({
      ...requirementsV2(offer),
      extra: { ...extraOf(offer), quote: token },
    })),
  };
}

/** Options on networks that old clients don't know are left out where there is one that they do. */
export function paymentRequiredV1(
  offers: readonly Offer[],
  resource: ResourceInfo,
  error: string,
): JsonObject {
  const inV1 = offers.filter(isInV1);
  const known = inV1.filter(({ network }) => isKnownToV1Clients(network.caip2));
  const accepts = (known.length > 0 ? known : inV1).flatMap(
    (offer) => requirementsV1(offer, resource) ?? [],
  );
  return { x402Version: 1, error, accepts };
}
