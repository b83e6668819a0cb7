/** Whose a signature is, found out once per payment: recovering one takes most of a millisecond. */
import { isSignedByPayer } from "../../chain/signed-by-payer.ts";
import { type DecodedPayment, authorizationOf } from "../../payment/decode-payment.ts";
import type { AssetConfig } from "../../payment/default-assets.ts";
import { sha256Hex } from "../../payment/hash.ts";
import type { SignedAuthorization } from "../../settlement/authorization.ts";

/** Payments remembered per isolate, about a megabyte. Only a genuine signature takes a place. */
const PROVED_MAX = 8_192;

/** Oldest first. */
const proved = new Set<string>();

/** What a payment says was signed, under the domain of the token it is paid in. */
export function signedAuthorizationOf(
  payment: DecodedPayment,
  asset: AssetConfig,
): SignedAuthorization {
  return {
    authorization: authorizationOf(payment, asset.address),
    domain: { name: asset.name, version: asset.version },
    signature: payment.signature,
    ...(payment.permit2 === undefined ? {} : { permit2: payment.permit2 }),
  };
}

/** False is no proof of the contrary: a contract wallet's signature can be checked by its chain only. */
export async function isSignatureProved(signed: SignedAuthorization): Promise<boolean> {
  const digest = digestOf(signed);
  if (proved.has(digest)) return true;
  if (!(await isSignedByPayer(signed))) return false;
  const [oldest] = proved;
  if (proved.size >= PROVED_MAX && oldest !== undefined) proved.delete(oldest);
  proved.add(digest);
  return true;
}

/** Over all that is signed, and the signature: whatever another one differs in, it is not this one. */
function digestOf(signed: SignedAuthorization): string {
  return sha256Hex(
    JSON.stringify(signed, (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    ),
  );
}
