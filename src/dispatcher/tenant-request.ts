/** Requests to a tenant's URL: which route it is, whether it carries a payment, and what happens then. */
import type { Context } from "hono";
import { configOf } from "../config.ts";
import { decodePayment } from "../payment/decode-payment.ts";
import { problem } from "../payment/problem.ts";
import { readSnapshot } from "../tenant/snapshots.ts";
import { challenge } from "./challenge.ts";
import type { Location } from "./locate-tenant.ts";
import { matchRoute } from "./match-route.ts";
import { paidCall } from "./paid-call.ts";
import { type PaidRoute, checkParameters, paidRoute } from "./paid-route.ts";

/** Answers a request below a tenant. */
export async function tenantRequest(
  context: Context<{ Bindings: Env }>,
  location: Extract<Location, { found: "tenant" }>,
): Promise<Response> {
  const config = configOf(context.env);
  const nowMs = Date.now();
  const snapshot = await readSnapshot(context.env, location.tenantId, nowMs);
  if (snapshot === null) return problem("unknown_tenant");
  const match = matchRoute(snapshot.routes, location.segments);
  if (match === null) return problem("unknown_route");
  const url = new URL(context.req.url);
  const paid = paidRoute(context.env, config, snapshot, match, url, location.path);
  const payment = decodePayment(context.req.raw.headers);
  if (payment.kind === "malformed") {
    return problem("malformed_payment", {
      detail: payment.problem,
      headers: { "Payment-Status": "not-charged" },
    });
  }
  if (payment.kind === "none") {
    return refuseParameters(paid, context.req.raw) ?? (await challenge(paid, config, nowMs));
  }
  const call = paidCall({
    env: context.env,
    execution: context.executionCtx,
    config,
    paid,
    request: context.req.raw,
    payment: payment.payment,
  });
  // A client that hangs up must not stop a payment half way: the work goes on, and a resend finds its answer.
  context.executionCtx.waitUntil(call.catch(() => undefined));
  return call;
}

/**
 * Malformed parameters are said before anyone pays. A bare request is not judged: it gets its 402, so that crawlers
 * can list every advertised URL.
 */
function refuseParameters(paid: PaidRoute, request: Request): Response | null {
  if (!paid.target.includes("?")) return null;
  const refusal = checkParameters(paid, request);
  return refusal === null
    ? null
    : problem("invalid_parameter", {
        detail: refusal.message,
        extra: { parameter: refusal.parameter },
        headers: { "Payment-Status": "not-charged" },
      });
}
