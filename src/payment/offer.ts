/**
 * What a route costs, as x402 objects: the v2 `PaymentRequired` for the PAYMENT-REQUIRED header and the v1 document
 * for the body, so that one 402 serves old and new clients (specs/transports-v2/http.md; v1 http.md).
 */
import type { NetworkConfig } from "../config.ts";
import type { Route, TenantSnapshot } from "../contracts/snapshot.ts";
import { v1NetworkName } from "./networks.ts";
import type { JsonObject } from "./wire.ts";

/** How long a payer has to sign, and facilitators to settle, in seconds. */
export const MAX_TIMEOUT_SECONDS = 300;

/** The terms of a route in force now. */
export interface Offer {
  readonly scheme: "exact";
  readonly network: NetworkConfig;
  readonly amountAtomic: bigint;
  readonly payTo: string;
  /** `authorization` settles after the handler answered, `upfront` before it runs (x402 v2, section 6.1). */
  readonly paymentFlow: "authorization" | "upfront";
}

export function offerOf(snapshot: TenantSnapshot, route: Route, network: NetworkConfig): Offer {
  return {
    scheme: "exact",
    network,
    amountAtomic: BigInt(route.priceAtomic),
    payTo: snapshot.payTo,
    paymentFlow: route.settlement === "before" ? "upfront" : "authorization",
  };
}

/** The default flow is left out, as the reference server does. */
function extraOf({ network, paymentFlow }: Offer): JsonObject {
  const { name, version } = network.asset;
  return { name, version, ...(paymentFlow === "upfront" ? { paymentFlow } : {}) };
}

/** The v2 requirements of an offer, as facilitators take them: without the quote token. */
export function requirementsV2(offer: Offer): JsonObject {
  const { asset, caip2 } = offer.network;
  return {
    scheme: offer.scheme,
    network: caip2,
    amount: String(offer.amountAtomic),
    asset: asset.address,
    payTo: offer.payTo,
    maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
    extra: extraOf(offer),
  };
}

/** The v1 requirements of an offer; null where v1 has no name for the network, or no such flow. */
export function requirementsV1(offer: Offer, resource: ResourceInfo): JsonObject | null {
  const { asset, caip2 } = offer.network;
  const network = v1NetworkName(caip2);
  if (network === null || offer.paymentFlow === "upfront") return null;
  return {
    scheme: offer.scheme,
    network,
    maxAmountRequired: String(offer.amountAtomic),
    resource: resource.url,
    description: resource.description,
    mimeType: resource.mimeType,
    payTo: offer.payTo,
    maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
    asset: asset.address,
    extra: { name: asset.name, version: asset.version },
  };
}

export interface ResourceInfo {
  readonly url: string;
  readonly description: string;
  readonly mimeType: string;
}

export function paymentRequiredV2(
  offer: Offer,
  quote: string,
  resource: ResourceInfo,
  error: string | null,
): JsonObject {
  const requirements = requirementsV2(offer);
  return {
    x402Version: 2,
    ...(error === null ? {} : { error }),
    resource: { ...resource },
    accepts: [{ ...requirements, extra: { ...extraOf(offer), quote } }],
  };
}

export function paymentRequiredV1(offer: Offer, resource: ResourceInfo, error: string): JsonObject {
  const requirements = requirementsV1(offer, resource);
  return { x402Version: 1, error, accepts: requirements === null ? [] : [requirements] };
}
