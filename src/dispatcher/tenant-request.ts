/** Requests to a tenant's URL: which route it is, whether it carries a payment, and what happens then. */
import { configOf } from "../config.ts";
import { decodePayment } from "../payment/decode-payment.ts";
import { facilitatorGateway, listedExtensions, mayBeListed } from "../facilitator/gateway.ts";
import type { PaymentKind } from "../facilitator/payment-kind.ts";
import { regionOf } from "../facilitator/region.ts";
import { SIGN_IN_HEADER } from "../payment/extensions/sign-in-with-x.ts";
import { paidAsset } from "../payment/paid-asset.ts";
import { problem } from "../payment/problems/problem.ts";
import { mismatchOf } from "../payment/terms.ts";
import { readSnapshot } from "../tenant/snapshots.ts";
import { answerBroken } from "./answers.ts";
import { apiDocument } from "./documents/api-documents.ts";
import { browserPage, isWebBrowser } from "./pages/browser-page.ts";
import { callerNetwork } from "./edge/caller-network.ts";
import { challenge } from "./challenge.ts";
import type { Handlers } from "./handlers.ts";
import type { IncomingPayment } from "./identified-call.ts";
import type { Location } from "./edge/locate-tenant.ts";
import { matchRoute } from "./edge/match-route.ts";
import { paidCall } from "./paid-call.ts";
import { type PaidRoute, checkParameters, destinationOf, paidRoute } from "./paid-route.ts";
import { PaymentAttempts } from "./edge/payment-attempts.ts";
import { saleFor } from "./quoted-version.ts";
import { limitUnpaid, paymentSlowed } from "./edge/rate-limits.ts";
import { isSignatureProved, signedAuthorizationOf } from "./edge/signature-proof.ts";
import { answerSignedIn } from "./sign-in.ts";
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
  const payment = decodePayment(request.headers);
  const limited = payment.kind === "payment" ? null : await limitUnpaid(env, request);
  if (limited !== null) return limited;
  const config = configOf(env);
  const nowMs = Date.now();
  const snapshot = await readSnapshot(env, location.tenantId, nowMs);
  if (snapshot === null) return problem("unknown_tenant");
  if (snapshot.deletedAtMs !== undefined && payment.kind !== "payment") {
    return problem("unknown_tenant");
  }
  const sale =
    payment.kind === "payment"
      ? await saleFor(env, config, snapshot, payment.payment, location.segments, nowMs)
      : { snapshot, offeredUntilSeconds: null };
  const destination = destinationOf(config, sale, url, location.path);
  const match = matchRoute(sale.snapshot.routes, location.segments);
  const region = regionOf(request.cf);
  const facilitators = {
    facilitators: () => facilitatorGateway(env, execution, region),
    mayBeListed: (kind: PaymentKind) => mayBeListed(env, region, kind),
    listedExtensions: () => listedExtensions(env, region),
  };
  const paid =
    match === null ? null : paidRoute(env, destination, match, url, handlers, facilitators);
  if (payment.kind === "payment") {
    const incoming = { env, execution, config, request, payment: payment.payment };
    return await payingRequest({ ...incoming, paid: destination }, paid, url);
  }
  if (paid === null) {
    const { networks } = config;
    const free = await apiDocument({ env, request, url, snapshot, networks, path: location.path });
    return free ?? problem("unknown_route");
  }
  if (payment.kind === "malformed") {
    return problem("malformed_payment", {
      detail: payment.problem,
      headers: { "Payment-Status": "not-charged" },
    });
  }
  if (payment.kind === "foreign") {
    const code = mismatchOf(payment, paid.offers);
    const error = `${payment.scheme} on ${payment.network} is not sold here: nothing was charged.`;
    return await challenge(paid, config, nowMs, { code, error });
  }
  if (request.headers.has(SIGN_IN_HEADER)) {
    return await answerSignedIn({ env, execution, config, request, paid });
  }
  const refused = refuseParameters(paid, request);
  if (refused !== null) return refused;
  const unpaid = await challenge(paid, config, nowMs);
  return isWebBrowser(request.headers)
    ? await browserPage(unpaid, paid, { url, path: location.path })
    : unpaid;
}

const attempts = new PaymentAttempts();

/**
 * A request that carries a payment. Whose signature that is comes first, because all else costs more; and when too
 * many of its sender's came to nothing, this one has to wait.
 * @param paid what is sold there; null when nothing is
 */
async function payingRequest(
  call: Omit<IncomingPayment, "signed" | "signatureProved">,
  paid: PaidRoute | null,
  url: URL,
): Promise<Response> {
  const { payment, config } = call;
  const asset = paidAsset(payment, config.networks, call.paid.network);
  const signed = signedAuthorizationOf(payment, asset);
  const address = callerNetwork(call.request);
  const addressWaitMs = attempts.addressWaitMs(address, Date.now());
  if (addressWaitMs !== null) return paymentSlowed(addressWaitMs);
  const signatureProved = await isSignatureProved(signed);
  const attempt = {
    tenantId: call.paid.snapshot.tenantId,
    address,
    payer: signatureProved ? payment.from : null,
  };
  const waitMs = attempts.begin(attempt, Date.now());
  if (waitMs !== null) return paymentSlowed(waitMs);
  const incoming = { ...call, signed, signatureProved };
  const answer = await throughHangUps(
    paid === null ? withdrawnRoute(incoming) : paidCall({ ...incoming, paid }),
    url,
    call.execution,
  );
  attempts.end(attempt, cameToNothing(answer), Date.now());
  return answer;
}

/** Refused for a reason that is the sender's: failures of ours are not held against anyone, nor is a 429 twice. */
function cameToNothing({ status, headers }: Response): boolean {
  const paymentStatus = headers.get("Payment-Status");
  const isUncharged = paymentStatus === "not-charged" || paymentStatus === "failed";
  // A payment that is somebody else's, as far as its sender shows: it was charged, but not for this.
  const isFinalConflict = status === 409 && !headers.has("Retry-After");
  return (isUncharged || isFinalConflict) && status >= 400 && status < 500 && status !== 429;
}

/** A client that hangs up must not stop a payment half way: the work goes on, and a resend finds its answer. */
function throughHangUps(
  answer: Promise<Response>,
  { pathname }: URL,
  execution: Pick<ExecutionContext, "waitUntil">,
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
