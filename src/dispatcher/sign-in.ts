/**
 * Signing in with a wallet (x402 extension `sign-in-with-x`): beside a payment it proves that whoever resends it is its
 * payer; without one it fetches the newest answer that the wallet has paid for with the same request.
 */
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import {
  type CheckedSignIn,
  SIGN_IN_HEADER,
  checkSignIn,
} from "../payment/extensions/sign-in-with-x.ts";
import { problem } from "../payment/problems/problem.ts";
import { effectiveLimits } from "../tenant/limits.ts";
import { answerReplay, retryable } from "./answers.ts";
import { challenge } from "./challenge.ts";
import { type IncomingPayment, type PaidCall, requestFingerprint } from "./identified-call.ts";
import { readBody } from "./request-body.ts";

/** Who has signed in with a request; null when nobody tries to. */
export async function readSignIn({
  request,
  config,
  paid,
}: Pick<IncomingPayment, "request" | "config" | "paid">): Promise<CheckedSignIn | null> {
  const header = request.headers.get(SIGN_IN_HEADER);
  if (header === null) return null;
  const place = {
    tenantId: paid.snapshot.tenantId,
    uri: paid.url,
    secret: config.quoteSecret,
  };
  const networks = config.networks.map(({ caip2 }) => caip2);
  return await checkSignIn(header, place, networks, Date.now());
}

/** A sign-in without a payment. Where it fetches nothing the answer is a 402, so that its client goes on to pay. */
export async function answerSignedIn(
  call: Omit<PaidCall, "payment" | "signed" | "signatureProved">,
): Promise<Response> {
  const { env, execution, config, paid, request } = call;
  const checked = await readSignIn(call);
  if (checked?.ok !== true) {
    return await signInRefused(call, checked?.reason ?? "invalid_siwx_header");
  }
  const { requestBytesMax } = effectiveLimits(paid.snapshot, Date.now());
  const body = await readBody(request.body, requestBytesMax);
  if (!body.ok) {
    return problem("payload_too_large", {
      detail: `The request body is over ${requestBytesMax} bytes; nothing was charged.`,
      headers: { "Payment-Status": "not-charged" },
    });
  }
  const reply = await ledgerOf(env, paid.snapshot.tenantId).readPaidAnswer({
    requestFingerprint: requestFingerprint(request, paid, body.bytes),
    signIn: checked.signIn,
  });
  switch (reply.result) {
    case "replay":
      return await answerReplay(
        { env, execution, config, paid, payment: { x402Version: 2 } },
        reply,
      );
    case "in_progress":
      return retryable("payment_in_progress", reply.paymentId, reply.retryAfterMs, {
        detail: "A payment of yours for this is being processed: resend it, or sign in again.",
      });
    case "unknown":
      return retryable("settlement_unknown", reply.paymentId, reply.retryAfterMs, {
        detail: "A payment of yours for this may have settled: resend it, or sign in again.",
      });
    case "nothing_paid":
      return await challenge(paid, config, Date.now());
    case "sign_in_used":
      return await signInRefused(call, "invalid_siwx_nonce");
    default:
      return reply satisfies never;
  }
}

function signInRefused(
  { paid, config }: Pick<PaidCall, "paid" | "config">,
  code: string,
): Promise<Response> {
  const error = `The sign-in is not accepted: ${code}.`;
  return challenge(paid, config, Date.now(), { code, error, status: "required" });
}
