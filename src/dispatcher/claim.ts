import type { ClaimReply, ClaimRequest } from "../contracts/ledger.ts";
import { takeAnswered } from "./answered.ts";
import type { IdentifiedPayment } from "./identified-call.ts";

/** Asks the ledger for the right to work on a payment; what depends on the route comes from the caller. */
export function claim(
  call: IdentifiedPayment,
  terms: Pick<ClaimRequest, "refusal" | "resignGuard" | "replayGraceMs">,
): Promise<ClaimReply> {
  return call.ledger.claim({
    identity: call.identity,
    payloadDigest: call.payloadDigest,
    requestFingerprint: call.requestFingerprint,
    proofs: call.proofs,
    payer: call.payment.from,
    signed: call.signed,
    signatureProved: null,
    answered: takeAnswered(call.paid.snapshot.tenantId),
    ...terms,
  });
}
