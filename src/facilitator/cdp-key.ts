/** API keys of the Coinbase Developer Platform: what a token can be signed with, found out before the first call. */
import { createPrivateKey, createPublicKey } from "node:crypto";

export interface CdpKey {
  readonly keyId: string;
  /** An Ed25519 key as base64 of seed and public key, or a P-256 key as PKCS #8 PEM. */
  readonly secret: string;
}

const ED25519_SEED_BYTES = 32;
const ED25519_SECRET_BYTES = 64;
const PKCS8_HEADER = "-----BEGIN PRIVATE KEY-----";
const SEC1_HEADER = "-----BEGIN EC PRIVATE KEY-----";

/** What is wrong with the secret of a key, to be read after its name; null when tokens can be signed with it. */
export function cdpKeyProblem(secret: string): string | null {
  if (secret.startsWith(SEC1_HEADER)) {
    return "must be in PKCS #8: convert it with openssl pkcs8 -topk8 -nocrypt";
  }
  const isKey = secret.startsWith(PKCS8_HEADER) ? isP256Key(secret) : isEd25519Key(secret);
  return isKey ? null : "must be an Ed25519 key (base64) or a P-256 key (PKCS #8 PEM)";
}

function isP256Key(pem: string): boolean {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem);
    return asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1";
  } catch {
    return false;
  }
}

/** Whether both halves are there and belong together. */
function isEd25519Key(secret: string): boolean {
  const bytes = Buffer.from(secret, "base64");
  if (bytes.length !== ED25519_SECRET_BYTES) return false;
  const x = bytes.subarray(ED25519_SEED_BYTES).toString("base64url");
  const d = bytes.subarray(0, ED25519_SEED_BYTES).toString("base64url");
  try {
    const key = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" });
    return createPublicKey(key).export({ format: "jwk" }).x === x;
  } catch {
    return false;
  }
}
