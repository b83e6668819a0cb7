/** Requests to a tenant's URL: which route it is, whether it carries a payment, and what happens then. */
import { configOf } from "../config.ts";
import { decodePayment } from "../payment/decode-payment.ts";
import { problem } from "../payment/problem.ts";
import { readSnapshot } from "../tenant/snapshots.ts";
import { answerBroken } from "./answers.ts";
import { challenge } from "./challenge.ts";
import type { Handlers } from "./handlers.ts";
import type { Location } from "./locate-tenant.ts";
import { matchRoute } from "./match-route.ts";
import { paidCall } from "./paid-call.ts";
import { type PaidRoute, checkParameters, destinationOf, paidRoute } from "./paid-route.ts";
import { withdrawnRoute } from "./withdrawn-route.ts";

/** A request as the Worker gets it, with its URL parsed. */
export interface EdgeRequest {
  readonly request: Request;
  readonly url: URL;
  readonly env: Env;
  readonly execution: ExecutionContext;
}

/** Answers a request below a tenant. */
export async function tenantRequest(
  { request, url, env, execution }: EdgeRequest,
  location: Extract<Location, { found: "tenant" }>,
  handlers: Handlers,
): Promise<Response> {
  const config = configOf(env);
  const nowMs = Date.now();
  const snapshot = await readSnapshot(env, location.tenantId, nowMs);
  if (snapshot === null) return problem("unknown_tenant");
  const destination = destinationOf(config, snapshot, url, location.path);
  const match = matchRoute(snapshot.routes, location.segments);
  const paid = match === null ? null : paidRoute(env, destination, match, url, handlers);
  const payment = decodePayment(request.headers);
  if (payment.kind === "payment") {
    const incoming = { env, execution, config, request, payment: payment.payment };
    const answer =
      paid === null
        ? withdrawnRoute({ ...incoming, paid: destination })
        : paidCall({ ...incoming, paid });
    return throughHangUps(answer, url, execution);
  }
  if (paid === null) return problem("unknown_route");
  if (payment.kind === "malformed") {
    return problem("malformed_payment", {
      detail: payment.problem,
      headers: { "Payment-Status": "not-charged" },
    });
  }
  return refuseParameters(paid, request) ?? (await challenge(paid, config, nowMs));
}

/** A client that hangs up must not stop a payment half way: the work goes on, and a resend finds its answer. */
function throughHangUps(
  answer: Promise<Response>,
  { pathname }: URL,
  execution: ExecutionContext,
): Promise<Response> {
  const answered = answer.catch((error: unknown) => {
    console.error(
      JSON.stringify({
        event: "paid_call_failed",
        path: pathname,
        error: error instanceof Error ? error.message : String(error),
      }),
    );
    return answerBroken();
  });
  execution.waitUntil(answered);
  return answered;
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
