import { isSignedByPayer } from "../chain/eip3009.ts";
import type { ClaimReply, ClaimRequest } from "../contracts/ledger.ts";
import { takeAnswered } from "./answered.ts";
import type { IdentifiedPayment } from "./identified-call.ts";

/**
 * Asks the ledger for the right to work on a payment; what depends on the route comes from the caller. Recovering a
 * signature costs more than all else here, so it is done now only where a run of the handler depends on it.
 */
export async function claim(
  call: IdentifiedPayment,
  terms: Pick<ClaimRequest, "refusal" | "resignGuard" | "replayGraceMs" | "alongside">,
): Promise<ClaimReply> {
  const signatureProved = terms.alongside === true ? await isSignedByPayer(call.signed) : null;
  return await call.ledger.claim({
    identity: call.identity,
    payloadDigest: call.payloadDigest,
    requestFingerprint: call.requestFingerprint,
    proofs: call.proofs,
    payer: call.payment.from,
    signed: call.signed,
    signatureProved,
    answered: takeAnswered(call.paid.snapshot.tenantId),
    ...terms,
  });
}
