/**
 * Whether a payment is signed by its payer, checked here before anyone else is asked. A contract wallet's signature
 * can't be checked without the chain: that is "not proved", and the facilitator decides.
 */
import { recoverAuthorizationSigner } from "../chain/eip3009.ts";
import { type DecodedPayment, authorizationOf } from "../payment/decode-payment.ts";
import type { Offer } from "../payment/offer.ts";

/** Recovering a signer costs 0.6 ms of CPU, and a resend carries the same signature. */
const REMEMBERED_MAX = 5_000;

const proved = new Map<string, boolean>();

/** @param payloadDigest names authorization and signature together, so it can stand for the result */
export async function isSignedByPayer(
  payment: DecodedPayment,
  payloadDigest: string,
  { network }: Offer,
): Promise<boolean> {
  const known = proved.get(payloadDigest);
  if (known !== undefined) return known;
  const signer = await recoverAuthorizationSigner({
    authorization: authorizationOf(payment, network.asset.address),
    domain: network.asset,
    signature: payment.signature,
  });
  if (proved.size >= REMEMBERED_MAX) proved.clear();
  proved.set(payloadDigest, signer === payment.from);
  return signer === payment.from;
}
