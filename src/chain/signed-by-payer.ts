import { fromBase58 } from "../payment/base58.ts";
import { SOLANA_NAMESPACE, namespaceOf } from "../payment/networks.ts";
import { readSvmTransfer } from "../payment/svm-transaction.ts";
import type { SignedAuthorization } from "../settlement/authorization.ts";
import { recoverAuthorizationSigner, recoverSigner } from "./eip3009.ts";
import { permitHash } from "./permit2.ts";

const ED25519 = { name: "Ed25519" };
const KEY_BYTES = 32;

/** Whether an authorization is signed by its payer, as far as that can be told without the chain. */
export async function isSignedByPayer(signed: SignedAuthorization): Promise<boolean> {
  const { network, payer } = signed.authorization;
  return namespaceOf(network) === SOLANA_NAMESPACE
    ? await isTransactionSigned(signed)
    : (await recoverSignerOf(signed)) === payer;
}

function recoverSignerOf(signed: SignedAuthorization): Promise<string | null> {
  const { authorization, permit2, signature } = signed;
  return permit2 === undefined
    ? recoverAuthorizationSigner(signed)
    : recoverSigner(() => permitHash(authorization, permit2), signature);
}

/** On Solana, the signature that a payment is known by is the whole transaction. */
async function isTransactionSigned(signed: SignedAuthorization): Promise<boolean> {
  const transfer = readSvmTransfer(signed.signature);
  const rawKey = fromBase58(signed.authorization.payer, KEY_BYTES);
  if (transfer === null || rawKey === null || transfer.authority !== signed.authorization.payer) {
    return false;
  }
  try {
    const key = await crypto.subtle.importKey("raw", rawKey, ED25519, false, ["verify"]);
    const { signature, message } = transfer;
    return await crypto.subtle.verify(
      ED25519,
      key,
      Uint8Array.from(signature),
      Uint8Array.from(message),
    );
  } catch {
    // Not every 32 bytes are a key.
    return false;
  }
}
