/** A tenant's route as one request sees it, and the request as its handler sees it. */
import { type NetworkConfig, type PlatformConfig, configOf } from "../config.ts";
import type { Route } from "../contracts/snapshot.ts";
import type { PaymentKind } from "../facilitator/payment-kind.ts";
import type { FacilitatorGateway } from "../facilitator/port.ts";
import { type Offer, type ResourceInfo, offersOf } from "../payment/offer.ts";
import type { Handler, HandlerContext } from "../runtime/handler.ts";
import type { RunMeter } from "../runtime/run-meter.ts";
import { effectiveLimits } from "../tenant/limits.ts";
import type { Handlers } from "./handlers.ts";
import type { RouteMatch } from "./edge/match-route.ts";
import type { Sale } from "./quoted-version.ts";

/** Where a request goes, whether or not anything is sold there now. */
export interface Destination extends Sale {
  readonly network: NetworkConfig;
  /** Canonical path and query below the tenant. */
  readonly target: string;
  /** The whole URL with that path: the one that is quoted and signed in for. */
  readonly url: URL;
}

/** A route of a tenant, as one request sees it. */
export interface PaidRoute extends Destination {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  /** The ways to pay, in the tenant's order. */
  readonly offers: readonly [Offer, ...Offer[]];
  readonly resource: ResourceInfo;
  /** Asked for only where a facilitator is to be quoted, or called. */
  readonly facilitators: () => FacilitatorGateway;
  /** Whether a facilitator is known to list a kind, or all that is known is old or missing. */
  readonly mayBeListed: (kind: PaymentKind) => boolean;
  /** The x402 extensions that some facilitator lists. */
  readonly listedExtensions: () => readonly string[];
  readonly handler: Handler;
}

/** @throws when the tenant sells on a network that is not configured */
export function destinationOf(
  config: PlatformConfig,
  sale: Sale,
  url: URL,
  path: string,
): Destination {
  const { snapshot } = sale;
  const network = config.networks.find(({ caip2 }) => caip2 === snapshot.network);
  if (network === undefined) {
    throw new Error(`tenant ${snapshot.tenantId} sells on ${snapshot.network}: not configured`);
  }
  return { ...sale, network, target: `${path}${url.search}`, url };
}

/** What a request asks for, with its price and its handler. */
export function paidRoute(
  env: Env,
  destination: Destination,
  { route, params }: RouteMatch,
  url: URL,
  handlers: Handlers,
  facilitators: Pick<PaidRoute, "facilitators" | "mayBeListed" | "listedExtensions">,
): PaidRoute {
  return {
    ...destination,
    route,
    params,
    offers: offersOf(destination.snapshot, route, configOf(env).networks),
    ...facilitators,
    resource: {
      url: url.href,
      description: route.description,
      mimeType: route.mimeType,
    },
    handler: handlers(env, route),
  };
}

/** Those of its offers that it can be paid for by v1, which has no extensions to put an identifier in. */
export function offersInV1({ route, offers, mayBeListed }: PaidRoute): Offer[] {
  if (!isTakenInV1(route) || route.paymentIdentifier === "required") return [];
  return offers.filter(({ scheme, network }) =>
    mayBeListed({ x402Version: 1, scheme: scheme.name, network: network.caip2 }),
  );
}

/** Its tenant may have left v1 out. */
export function isTakenInV1({ x402Versions }: Route): boolean {
  return x402Versions?.includes(1) ?? true;
}

/** The URL that a signed receipt for this request is about; none where the route signs none. */
export function receiptUrlOf({ route, resource }: PaidRoute): string | undefined {
  return route.signedReceipts ? resource.url : undefined;
}

export interface ParameterRefusal {
  readonly parameter: string;
  readonly message: string;
}

/** Asks the handler whether it could serve this request, without running it. */
export function checkParameters(paid: PaidRoute, request: Request): ParameterRefusal | null {
  const checked = paid.handler.check?.(handlerRequest(paid, request, null), paid);
  return checked === undefined || checked.ok
    ? null
    : { parameter: checked.parameter, message: checked.message };
}

export function handlerContext(
  paid: PaidRoute,
  paymentId: string,
  payer: string,
  meter: RunMeter,
): HandlerContext {
  return {
    tenantId: paid.snapshot.tenantId,
    limits: effectiveLimits(paid.snapshot, Date.now()),
    route: paid.route,
    params: paid.params,
    paymentId,
    payer,
    idempotencyKey: paymentId,
    secrets: paid.snapshot.secrets,
    meter,
  };
}

/** The request as the handler gets it: canonical URL, none of the payment's headers, our deadline as its signal. */
export function handlerRequest(
  paid: PaidRoute,
  request: Request,
  body: Uint8Array<ArrayBuffer> | null,
  signal: AbortSignal | null = null,
): Request {
  const headers = new Headers();
  for (const name of ["accept", "accept-language", "content-type", "if-none-match", "user-agent"]) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Request(`https://${paid.snapshot.tenantId}${paid.target}`, {
    method: request.method,
    headers,
    body: body === null || body.byteLength === 0 ? null : body,
    signal,
  });
}
