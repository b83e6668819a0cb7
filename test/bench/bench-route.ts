import type { Route } from "../../src/contracts/snapshot.ts";
import { PRICE_ATOMIC } from "./offer.ts";

/** A route that sells one item at the benchmark's price. */
export function routeOf(
  path: string,
  execution: Route["execution"],
  handler: Route["handler"],
): Route {
  return {
    path,
    methods: ["GET"],
    priceAtomic: PRICE_ATOMIC,
    description: "An item",
    mimeType: "application/json",
    settlement: "after",
    resignGuard: true,
    execution,
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
    handler,
  };
}
