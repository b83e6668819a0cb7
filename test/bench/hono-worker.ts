/** The reference: `@x402/hono` as its documentation sets it up, selling the same answer. */
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { Hono } from "hono";
import type { MiddlewareHandler } from "hono";
import {
  ANSWER,
  ASSET,
  MAX_TIMEOUT_SECONDS,
  NETWORK,
  PAY_TO,
  PRICE_ATOMIC,
  ROUTE_PATH,
  TOKEN,
} from "./offer.ts";

interface Bindings {
  readonly FACILITATOR_URL: string;
}

function payment(facilitatorUrl: string): MiddlewareHandler {
  const facilitator = new HTTPFacilitatorClient({ url: facilitatorUrl });
  const server = new x402ResourceServer(facilitator).register(NETWORK, new ExactEvmScheme());
  const price = { asset: ASSET, amount: PRICE_ATOMIC, extra: { ...TOKEN } };
  return paymentMiddleware(
    {
      [`GET ${ROUTE_PATH}`]: {
        accepts: {
          scheme: "exact",
          network: NETWORK,
          price,
          payTo: PAY_TO,
          maxTimeoutSeconds: MAX_TIMEOUT_SECONDS,
        },
        description: "An item",
        mimeType: "application/json",
      },
    },
    server,
  );
}

let middleware: MiddlewareHandler | undefined;

const app = new Hono<{ Bindings: Bindings }>();
app.use((context, next) => {
  // At the first request: the facilitator is asked at once, and Workers call nobody while they load.
  middleware ??= payment(context.env.FACILITATOR_URL);
  return middleware(context, next);
});
app.get(ROUTE_PATH, (context) => context.body(ANSWER, 200, { "Content-Type": "application/json" }));

export default app;
