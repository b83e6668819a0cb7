import type { ClaimReply, ClaimRequest } from "../contracts/ledger.ts";
import { admissionLimits } from "../tenant/budgets.ts";
import { effectiveLimits } from "../tenant/limits.ts";
import { takeAnswered } from "./answered.ts";
import type { IdentifiedPayment } from "./identified-call.ts";
import { readSignIn } from "./sign-in.ts";

/** Asks the ledger for the right to work on a payment; what depends on the route comes from the caller. */
export async function claim(
  call: IdentifiedPayment,
  terms: Pick<ClaimRequest, "refusal" | "resignGuard" | "replayGraceMs" | "alongside">,
): Promise<ClaimReply> {
  const signIn = await readSignIn(call);
  return await call.ledger.claim({
    identity: call.identity,
    payloadDigest: call.payloadDigest,
    requestFingerprint: call.requestFingerprint,
    proofs: call.proofs,
    payer: call.payment.from,
    validBeforeMs: call.payment.validBeforeMs,
    signatureProved: call.signatureProved,
    signIn: signIn?.ok === true ? signIn.signIn : null,
    answered: takeAnswered(call.paid.snapshot.tenantId),
    limits: admissionLimits(effectiveLimits(call.paid.snapshot, Date.now())),
    ...terms,
  });
}
