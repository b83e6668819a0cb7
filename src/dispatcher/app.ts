/** The dispatcher: every HTTP request enters here, and goes to a tenant's paid routes or to the platform's own. */
import { type Context, Hono, type Next } from "hono";
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { adminApi } from "../admin/admin-api.ts";
import { ConfigError } from "../config-source.ts";
import { configOf } from "../config.ts";
import { decodePayment } from "../payment/decode-payment.ts";
import { tenantOfPaymentId } from "../payment/payment-id.ts";
import { atOrigin, platformOrigin } from "../payment/platform-url.ts";
import { problem } from "../payment/problems/problem.ts";
import { retryAfterSeconds } from "../payment/retry-after.ts";
import { tenantApi } from "../tenant-api/tenant-api.ts";
import { readSnapshot } from "../tenant/snapshots.ts";
import { answerBroken } from "./answers.ts";
import { forAnyOrigin, preflight } from "./edge/cors.ts";
import { DID_PATH, didAnswer } from "./documents/did-answer.ts";
import { errorPages } from "./pages/error-pages.ts";
import type { Handlers } from "./handlers.ts";
import { type Location, locateTenant } from "./edge/locate-tenant.ts";
import { limitUnpaid } from "./edge/rate-limits.ts";
import { type EdgeRequest, tenantRequest } from "./tenant-request.ts";
import { withoutBody } from "./edge/without-body.ts";

type AppContext = Context<{ Bindings: Env }>;

/** Below it, payers ask what became of a payment. */
const PAYMENTS_PATH = "/payments/";

const platform = new Hono<{ Bindings: Env }>();
platform.get("/healthz", (context) => context.json({ status: "ok" }));
platform.get(`${PAYMENTS_PATH}:paymentId`, paymentStatus);
platform.route("/errors", errorPages);
platform.route("/v1", tenantApi);
platform.use("/admin/*", onOperatorsHost);
platform.route("/admin", adminApi);
platform.get(DID_PATH, (context) => didAnswer(new URL(context.req.url), configOf(context.env)));
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
        const config = configOf(env);
        return await atOrigin(platformOrigin(request.url, config), () =>
          dispatch({ request, env, execution }, locateTenant(request.url, config), handlers),
        );
      } catch (error) {
        return failure(error, request);
      }
    },
  };
}

/** Payers and their browsers come from anywhere; everybody else has the platform's own API. */
async function dispatch(
  { request, env, execution }: Omit<EdgeRequest, "url">,
  location: Location,
  handlers: Handlers,
): Promise<Response> {
  if (location.found === "platform" && !location.path.startsWith(PAYMENTS_PATH)) {
    return await platform.fetch(request, env, execution);
  }
  if (request.method === "OPTIONS") return forAnyOrigin(preflight());
  const answer = await answerPayer({ request, env, execution }, location, handlers).catch(
    (error: unknown) => payersFailure(error, request),
  );
  return forAnyOrigin(request.method === "HEAD" ? withoutBody(answer) : answer);
}

/** A request to one of the URLs that payers and their browsers call. */
async function answerPayer(
  { request, env, execution }: Omit<EdgeRequest, "url">,
  location: Location,
  handlers: Handlers,
): Promise<Response> {
  switch (location.found) {
    case "tenant":
      if (location.url.pathname === DID_PATH) return didAnswer(location.url, configOf(env));
      return await tenantRequest(
        { request, url: location.url, env, execution },
        location,
        handlers,
      );
    case "platform":
      return await platform.fetch(request, env, execution);
    case "unknown_tenant":
      return problem("unknown_tenant");
    case "invalid_path":
      return problem("invalid_path", { detail: location.problem });
    default:
      return location satisfies never;
  }
}

/** Elsewhere than on the operators' host, where there is one, nobody learns that there is an `/admin`. */
async function onOperatorsHost(context: AppContext, next: Next): Promise<Response | undefined> {
  const { adminHost } = configOf(context.env);
  if (adminHost !== null && new URL(context.req.url).host !== adminHost) {
    return problem("not_found");
  }
  await next();
  return undefined;
}

/** `GET /payments/{paymentId}`: the state of a payment, for whoever has its id. */
async function paymentStatus(context: AppContext): Promise<Response> {
  const paymentId = context.req.param("paymentId") ?? "";
  const tenantId = tenantOfPaymentId(paymentId);
  if (tenantId === null) return problem("unknown_payment");
  const limited = await limitUnpaid(context.env, context.req.raw);
  if (limited !== null) return limited;
  // A name that nobody has must not bring a ledger into being.
  if ((await readSnapshot(context.env, tenantId, Date.now())) === null) {
    return problem("unknown_payment");
  }
  const status = await ledgerOf(context.env, tenantId).readPaymentStatus(paymentId);
  if (status === null) return problem("unknown_payment");
  const headers: Record<string, string> = { "Cache-Control": "no-store" };
  if (status.retryAfterMs !== null) {
    headers["Retry-After"] = retryAfterSeconds(status.retryAfterMs);
  }
  return Response.json(status, { headers });
}

/** Whoever sent a payment is to send it again, and never to wonder whether it counts: it may be settled already. */
function payersFailure(error: unknown, request: Request): Response {
  const failed = failure(error, request);
  return decodePayment(request.headers).kind === "payment" ? answerBroken() : failed;
}

function failure(error: unknown, request: Request): Response {
  console.error(
    JSON.stringify({
      event: "request_failed",
      method: request.method,
      path: URL.parse(request.url)?.pathname,
      error: error instanceof Error ? error.message : String(error),
    }),
  );
  return error instanceof ConfigError
    ? problem("internal_error", { detail: error.message })
    : problem("internal_error", { detail: "Try again; if you paid, resend the same header." });
}
