/** A tenant's route as one request sees it, and the request as its handler sees it. */
import type { NetworkConfig, PlatformConfig } from "../config.ts";
import type { Route, TenantSnapshot } from "../contracts/snapshot.ts";
import { type Offer, type ResourceInfo, offerOf } from "../payment/offer.ts";
import type { Handler, HandlerContext } from "../runtime/handler.ts";
import type { Handlers } from "./handlers.ts";
import type { RouteMatch } from "./match-route.ts";

/** Where a request goes, whether or not anything is sold there now. */
export interface Destination {
  readonly snapshot: TenantSnapshot;
  readonly network: NetworkConfig;
  /** Canonical path and query below the tenant. */
  readonly target: string;
}

/** A route of a tenant, as one request sees it. */
export interface PaidRoute extends Destination {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  readonly offer: Offer;
  readonly resource: ResourceInfo;
  readonly handler: Handler;
}

/** @throws when the tenant sells on a network that is not configured */
export function destinationOf(
  config: PlatformConfig,
  snapshot: TenantSnapshot,
  url: URL,
  path: string,
): Destination {
  const network = config.networks.find(({ caip2 }) => caip2 === snapshot.network);
  if (network === undefined) {
    throw new Error(`tenant ${snapshot.tenantId} sells on ${snapshot.network}: not configured`);
  }
  return { snapshot, network, target: `${path}${url.search}` };
}

/** What a request asks for, with its price and its handler. */
export function paidRoute(
  env: Env,
  destination: Destination,
  { route, params }: RouteMatch,
  url: URL,
  handlers: Handlers,
): PaidRoute {
  return {
    ...destination,
    route,
    params,
    offer: offerOf(destination.snapshot, route, destination.network),
    resource: {
      url: url.href,
      description: route.description,
      mimeType: route.mimeType,
    },
    handler: handlers(env, route),
  };
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

export function handlerContext(paid: PaidRoute, paymentId: string, payer: string): HandlerContext {
  return {
    tenantId: paid.snapshot.tenantId,
    plan: paid.snapshot.plan,
    route: paid.route,
    params: paid.params,
    paymentId,
    payer,
    idempotencyKey: paymentId,
    secrets: paid.snapshot.secrets,
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
