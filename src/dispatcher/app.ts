/** The dispatcher: every HTTP request enters here, and goes to a tenant's paid routes or to the platform's own. */
import { type Context, Hono } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { adminApi } from "../admin/admin-api.ts";
import { ConfigError } from "../config-source.ts";
import { configOf } from "../config.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { problem } from "../payment/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { tenantApi } from "../tenant-api/tenant-api.ts";
import type { Handlers } from "./handlers.ts";
import { locateTenant } from "./locate-tenant.ts";
import { type EdgeRequest, tenantRequest } from "./tenant-request.ts";

type AppContext = Context<{ Bindings: Env }>;

const platform = new Hono<{ Bindings: Env }>();
platform.get("/healthz", (context) => context.json({ status: "ok" }));
platform.get("/payments/:paymentId", paymentStatus);
platform.route("/v1", tenantApi);
platform.route("/admin", adminApi);
platform.notFound(() => problem("not_found"));
platform.onError((error, context) => failure(error, context.req.raw));

export interface Dispatcher {
  fetch(request: Request, env: Env, execution: ExecutionContext): Promise<Response>;
}

/** The dispatcher, selling what `handlers` make of the tenants' routes, which have a matcher of their own. */
export function dispatcher(handlers: Handlers): Dispatcher {
  return {
    async fetch(request, env, execution) {
      try {
        return await dispatch({ request, env, execution }, handlers);
      } catch (error) {
        return failure(error, request);
      }
    },
  };
}

async function dispatch(
  { request, env, execution }: Omit<EdgeRequest, "url">,
  handlers: Handlers,
): Promise<Response> {
  const url = new URL(request.url);
  const location = locateTenant(url, configOf(env).baseDomain);
  switch (location.found) {
    case "tenant":
      return await tenantRequest({ request, url, env, execution }, location, handlers);
    case "platform":
      return await platform.fetch(request, env, execution);
    case "unknown_tenant":
      return problem("unknown_tenant");
    case "invalid_path":
      return problem("invalid_path", { detail: `The path ${location.problem}.` });
    default:
      return location satisfies never;
  }
}

/** `GET /payments/{paymentId}`: the state of a payment, for whoever has its id. */
async function paymentStatus(context: AppContext): Promise<Response> {
  const paymentId = context.req.param("paymentId") ?? "";
  const tenantId = tenantOfPaymentId(paymentId);
  if (tenantId === null) return problem("unknown_payment");
  const status = await ledgerOf(context.env, tenantId).readPaymentStatus(paymentId);
  if (status === null) return problem("unknown_payment");
  const headers: Record<string, string> = { "Cache-Control": "no-store" };
  if (status.retryAfterMs !== null) {
    headers["Retry-After"] = retryAfterSeconds(status.retryAfterMs);
  }
  return Response.json(status, { headers });
}

function failure(error: unknown, request: Request): Response {
  console.error(
    JSON.stringify({
      event: "request_failed",
      method: request.method,
      path: new URL(request.url).pathname,
      error: error instanceof Error ? error.message : String(error),
    }),
  );
  return error instanceof ConfigError
    ? problem("internal_error", { detail: error.message })
    : problem("internal_error", { detail: "Try again; if you paid, resend the same header." });
}
