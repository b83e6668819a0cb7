/** The reference: `@x402/hono` as its documentation sets it up, selling the same answer. */
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { Hono } from "hono";
import type { MiddlewareHandler } from "hono";
import {
  ANSWER,
  ASSET,
  DELAYED_PATH,
  DELAY_MS,
  MAX_TIMEOUT_SECONDS,
  NETWORK,
  PAY_TO,
  PRICE_ATOMIC,
  ROUTE_PATH,
  TOKEN,
} from "./offer.ts";

interface Bindings {
  /** In order of preference, between spaces. */
  readonly FACILITATOR_URLS: string;
}

/** What the gateway waits for a verification, too. The client's own default is 90 seconds. */
const FACILITATOR_TIMEOUT_MS = 5_000;

function payment(facilitatorUrls: string): MiddlewareHandler {
  const facilitators = facilitatorUrls
    .split(" ")
    .map((url) => new HTTPFacilitatorClient({ url, timeoutMs: FACILITATOR_TIMEOUT_MS }));
  const server = new x402ResourceServer(facilitators).register(NETWORK, new ExactEvmScheme());
  const route = {
    accepts: {
      scheme: "exact",
      network: NETWORK,
      price: { asset: ASSET, amount: PRICE_ATOMIC, extra: { ...TOKEN } },
      payTo: PAY_TO,
      maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
    },
    description: "An item",
    mimeType: "application/json",
  } as const;
  return paymentMiddleware(
    { [`GET ${ROUTE_PATH}`]: route, [`GET ${DELAYED_PATH}`]: route },
    server,
  );
}

let middleware: MiddlewareHandler | undefined;

const app = new Hono<{ Bindings: Bindings }>();
app.use((context, next) => {
  // At the first request: the facilitator is asked at once, and Workers call nobody while they load.
  middleware ??= payment(context.env.FACILITATOR_URLS);
  return middleware(context, next);
});
app.get(DELAYED_PATH, async (context) => {
  await scheduler.wait(DELAY_MS);
  return context.body(ANSWER, 200, { "Content-Type": "application/json" });
});
app.get(ROUTE_PATH, (context) => context.body(ANSWER, 200, { "Content-Type": "application/json" }));

export default app;
