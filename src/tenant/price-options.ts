/** From the prices of a manifest's route to the options on sale, and what is wrong with them. */
import { type NetworkConfig, findAsset } from "../config.ts";
import type { Manifest, ManifestRoute, PriceOption } from "../contracts/manifest.ts";
import type { PaymentOption, Route } from "../contracts/snapshot.ts";
import { SOLANA_NAMESPACE, canonicalSpelling, namespaceOf } from "../payment/networks.ts";
import { findScheme } from "../payment/schemes/all.ts";
import { priceToAtomic } from "./price.ts";

/** Fees, caps and what people are shown are in units of six decimals (`plans.ts`). */
export const OPTION_DECIMALS = 6;

export interface PriceTerms {
  /** The tenant's own. */
  readonly network: NetworkConfig;
  /** All that are configured. */
  readonly networks: readonly NetworkConfig[];
  readonly payTo: Manifest["payTo"];
}

export interface PriceFault {
  readonly code: "invalid_request" | "price_too_small";
  /** Path within the route, for example `prices[1].network`. */
  readonly field: string;
  readonly message: string;
}

/** Empty when the route can be sold at its price, or at each of its prices. */
export function priceFaults(route: ManifestRoute, terms: PriceTerms): PriceFault[] {
  if (route.prices === undefined) {
    const { decimals } = terms.network.asset;
    const isTooSmall = priceToAtomic(route.price ?? "$0", decimals) === 0n;
    return isTooSmall ? [tooSmall("price", decimals)] : [];
  }
  const resolved = route.prices.map((option) => resolve(option, terms, route));
  const taken = new Map<string, number>();
  return resolved.flatMap((each, index): PriceFault[] => {
    const field = `prices[${index}]`;
    if (!each.ok) return [{ ...each.fault, field: `${field}.${each.fault.field}` }];
    const { scheme, transferMethod, network, asset } = each.option;
    const key = JSON.stringify([scheme, transferMethod, network, asset]);
    const first = taken.get(key);
    taken.set(key, first ?? index);
    const message = `is the same way to pay as prices[${first}]: leave one out`;
    return first === undefined ? [] : [{ code: "invalid_request", field, message }];
  });
}

/** The prices of a route without faults, as they are sold. */
export function pricesOf(
  route: ManifestRoute,
  terms: PriceTerms,
): Pick<Route, "priceAtomic" | "options"> {
  if (route.prices === undefined) {
    const { decimals } = terms.network.asset;
    return { priceAtomic: priceToAtomic(route.price ?? "$0", decimals).toString() };
  }
  const options = route.prices.flatMap((option) => {
    const resolved = resolve(option, terms, route);
    return resolved.ok ? [resolved.option] : [];
  });
  return { priceAtomic: options[0]?.amountAtomic ?? "0", options };
}

type Resolved =
  | { readonly ok: true; readonly option: PaymentOption }
  | { readonly ok: false; readonly fault: PriceFault };

function resolve(
  option: PriceOption,
  { network: own, networks, payTo }: PriceTerms,
  { settlement }: Pick<ManifestRoute, "settlement">,
): Resolved {
  const caip2 = option.network ?? own.caip2;
  const network = networks.find((each) => each.caip2 === caip2);
  if (network === undefined) {
    const served = networks.map((each) => each.caip2).join(", ");
    return refuse("network", `is not served here: choose one of ${served}`);
  }
  const address = canonicalSpelling(caip2, option.asset ?? network.asset.address);
  const asset = findAsset(network, address);
  if (asset === null) return refuse("asset", `is not one of the tokens served on ${caip2}`);
  if (asset.decimals !== OPTION_DECIMALS) {
    return refuse("asset", `has ${asset.decimals} decimals: an option's has ${OPTION_DECIMALS}`);
  }
  const scheme = findScheme(option.scheme, caip2, transferMethodOf(option));
  if (scheme === null) {
    const field = option.transferMethod === undefined ? "scheme" : "transferMethod";
    return refuse(field, `is not served on ${caip2}`);
  }
  if (scheme.amountIs === "maximum" && settlement === "before") {
    return refuse("scheme", "charges what the handler says, so it can't be settled before");
  }
  const isSolana = namespaceOf(caip2) === SOLANA_NAMESPACE;
  if (isSolana && payTo?.solana === undefined) {
    return refuse("network", "needs an address of yours to be paid to: add payTo.solana");
  }
  const amountAtomic = priceToAtomic(option.price, asset.decimals);
  if (amountAtomic === 0n) return { ok: false, fault: tooSmall("price", asset.decimals) };
  return {
    ok: true,
    option: {
      scheme: scheme.name,
      transferMethod: scheme.transferMethod,
      network: caip2,
      asset: asset.address,
      amountAtomic: amountAtomic.toString(),
      payTo: isSolana ? (payTo?.solana ?? null) : null,
    },
  };
}

/** As schemes are found by: EIP-3009 goes without a name, and `upto` is by Permit2 alone. */
function transferMethodOf({ scheme, transferMethod }: PriceOption): string | null {
  if (transferMethod === undefined) return scheme === "upto" ? "permit2" : null;
  return transferMethod === "permit2" || scheme === "upto" ? transferMethod : null;
}

function refuse(field: string, message: string): Resolved {
  return { ok: false, fault: { code: "invalid_request", field, message } };
}

function tooSmall(field: string, decimals: number): PriceFault {
  const message = `is less than one atomic unit: the asset has ${decimals} decimals`;
  return { code: "price_too_small", field, message };
}
