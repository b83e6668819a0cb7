import { BAZAAR, type DiscoveredRoute, advertiseBazaar } from "../payment/extensions/bazaar.ts";
import type { WirePayment } from "../payment/wire.ts";
import type { PaidRoute } from "./paid-route.ts";

/** A route as those who list paid APIs know it: by the pattern of its whole URL. */
export function discoveredRoute({ route, params, url, target }: PaidRoute): DiscoveredRoute {
  const [path = ""] = target.split("?");
  return { route, params, template: `${url.pathname.slice(0, -path.length)}${route.path}` };
}

/**
 * The payment with what a facilitator may list of its route: our own word for it, never the client's copy. It goes with
 * the first settlement only, so that it is not stored with every payment.
 */
export function withDiscovery(wire: WirePayment, paid: PaidRoute): WirePayment {
  if (wire.x402Version === 1) return wire;
  const { paymentPayload } = wire;
  const sent = paymentPayload["extensions"];
  const signed = typeof sent === "object" && !Array.isArray(sent) ? sent : {};
  const extensions = { ...signed, [BAZAAR]: advertiseBazaar(discoveredRoute(paid)) };
  return { ...wire, paymentPayload: { ...paymentPayload, extensions } };
}
