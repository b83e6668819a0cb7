/** A tenant's route as one request sees it, and the request as its handler sees it. */
import type { PlatformConfig } from "../config.ts";
import type { Route, TenantSnapshot } from "../contracts/snapshot.ts";
import { type Offer, type ResourceInfo, offerOf } from "../payment/offer.ts";
import type { Handler, HandlerContext } from "../runtime/handler.ts";
import { handlerOf } from "./handlers.ts";
import type { RouteMatch } from "./match-route.ts";

/** A route of a tenant, as one request sees it. */
export interface PaidRoute {
  readonly snapshot: TenantSnapshot;
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  readonly offer: Offer;
  readonly resource: ResourceInfo;
  readonly handler: Handler;
  /** Canonical path and query below the tenant. */
  readonly target: string;
}

/** What a request asks for, with its price and its handler. */
export function paidRoute(
  env: Env,
  config: PlatformConfig,
  snapshot: TenantSnapshot,
  { route, params }: RouteMatch,
  url: URL,
  path: string,
): PaidRoute {
  const network = config.networks.find(({ caip2 }) => caip2 === snapshot.network);
  if (network === undefined) {
    throw new Error(`tenant ${snapshot.tenantId} sells on ${snapshot.network}: not configured`);
  }
  return {
    snapshot,
    route,
    params,
    offer: offerOf(snapshot, route, network),
    resource: {
      url: url.href,
      description: route.description,
      mimeType: route.mimeType,
    },
    handler: handlerOf(env, route),
    target: `${path}${url.search}`,
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
    route: paid.route,
    params: paid.params,
    paymentId,
    payer,
    idempotencyKey: paymentId,
  };
}

/** The request as the handler gets it: canonical URL, none of the payment's headers. */
export function handlerRequest(
  paid: PaidRoute,
  request: Request,
  body: Uint8Array<ArrayBuffer> | null,
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
  });
}
