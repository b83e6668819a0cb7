/** Extensions of x402 that a route offers in its 402 (docs/extensions.md), and what it wants of them in a payment. */
import type { Route } from "../../contracts/snapshot.ts";
import { encodeHeader } from "../header-codec.ts";
import type { JsonObject } from "../wire.ts";
import { BAZAAR, type DiscoveredRoute, advertiseBazaar, bazaarFixedInfo } from "./bazaar.ts";
import { type EchoedExtensions, changedExtension, echoedIdentifier } from "./echo.ts";
import { GAS_SPONSORINGS, advertiseGasSponsoring } from "./gas-sponsoring.ts";
import { OFFER_RECEIPT, type OfferedTerms, advertiseOffers } from "./offer-receipt.ts";
import {
  PAYMENT_IDENTIFIER,
  advertisePaymentIdentifier,
  paymentIdentifierInfo,
} from "./payment-identifier.ts";
import {
  SIGN_IN_WITH_X,
  type SignInPlace,
  advertiseSignIn,
  isSignInHost,
  signInFixedInfo,
} from "./sign-in-with-x.ts";
import { signingKeyOf } from "./signing-key.ts";

/**
 * Longest PAYMENT-REQUIRED header, in characters. Clients send extensions back, and Node reads 16 KiB of headers in
 * all by default: half of that leaves room for the signature and for headers of theirs.
 */
export const PAYMENT_REQUIRED_LENGTH_MAX = 8_192;

/** What goes first where a 402 would be too long; `payment-identifier` is a few bytes, and may be required. */
const DROPPED_FIRST = [BAZAAR, OFFER_RECEIPT, SIGN_IN_WITH_X, ...GAS_SPONSORINGS];

export interface Advertised extends DiscoveredRoute {
  readonly place: SignInPlace;
  /** CAIP-2, where the route is paid for. */
  readonly networks: readonly string[];
  /** In the order of `accepts`. */
  readonly offers: readonly OfferedTerms[];
  /** What facilitators list of use to the offers. */
  readonly facilitatorExtensions: readonly string[];
  readonly baseDomain: string;
  readonly environment: string;
}

/** @param random `SIGN_IN_RANDOM_BYTES` of them */
export function advertisedExtensions(
  advertised: Advertised,
  nowMs: number,
  random: Uint8Array,
): Record<string, JsonObject> {
  const { route, place, networks, offers, facilitatorExtensions, baseDomain, environment } =
    advertised;
  const canSignIn = networks.length > 0 && isSignInHost(place.uri, baseDomain, environment);
  return {
    [PAYMENT_IDENTIFIER]: advertisePaymentIdentifier(route.paymentIdentifier === "required"),
    ...(canSignIn ? { [SIGN_IN_WITH_X]: advertiseSignIn(place, networks, nowMs, random) } : {}),
    ...(route.signedReceipts
      ? { [OFFER_RECEIPT]: advertiseOffers(offers, place.uri, signingKeyOf(place.secret)) }
      : {}),
    ...advertiseGasSponsoring(facilitatorExtensions),
    [BAZAAR]: advertiseBazaar(advertised),
  };
}

/** The PAYMENT-REQUIRED header, without the extensions that it has no room for. */
export function encodePaymentRequired(
  required: JsonObject,
  extensions: Readonly<Record<string, JsonObject>>,
): string {
  let offered = { ...extensions };
  let header = encodeHeader({ ...required, extensions: offered });
  for (const dropped of DROPPED_FIRST) {
    if (header.length <= PAYMENT_REQUIRED_LENGTH_MAX) break;
    const { [dropped]: _, ...kept } = offered;
    offered = kept;
    header = encodeHeader({ ...required, extensions: offered });
  }
  return header;
}

/** Why a payment's extensions are not taken; null when they are. */
export function refuseExtensions(
  route: Route,
  echoed: EchoedExtensions,
): "payment_identifier_required" | "extension_echo_mismatch" | null {
  const isRequired = route.paymentIdentifier === "required";
  if (isRequired && echoedIdentifier(echoed) === null) return "payment_identifier_required";
  const fixed = {
    [PAYMENT_IDENTIFIER]: paymentIdentifierInfo(isRequired),
    [SIGN_IN_WITH_X]: signInFixedInfo(),
    [BAZAAR]: bazaarFixedInfo(route),
  };
  return changedExtension(fixed, echoed) === null ? null : "extension_echo_mismatch";
}
