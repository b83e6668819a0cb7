/**
 * Encrypts one secret of one tenant: AES-256-GCM, with the tenant and the secret's name as additional data, so that a
 * ciphertext copied to another place does not open there. Nonces are random: at 96 bits, a key may seal 2^32 times
 * before a repetition is likelier than 2^-32 (NIST SP 800-38D), which is what key ids are for.
 */
import { Buffer } from "node:buffer";
import type { SealedSecret } from "../../contracts/secrets.ts";
import type { TenantId } from "../tenant-id.ts";
import type { PlatformKey, PlatformKeys } from "./platform-keys.ts";

const NONCE_BYTES = 12;

/** Whose secret it is, and which. */
export interface SecretPlace {
  readonly tenantId: TenantId;
  readonly name: string;
}

export type OpenedSecret =
  | { readonly ok: true; readonly value: string }
  /** Its key is no longer configured, or it was sealed for another place or changed since. */
  | { readonly ok: false; readonly reason: "unknown_key" | "not_authentic" };

/** Encrypts with the newest key. */
export async function sealSecret(
  [key]: PlatformKeys,
  place: SecretPlace,
  value: string,
): Promise<SealedSecret> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const ciphertext = await crypto.subtle.encrypt(
    algorithm(nonce, place),
    await importKey(key),
    new TextEncoder().encode(value),
  );
  const sealed = Buffer.concat([nonce, new Uint8Array(ciphertext)]);
  return { keyId: key.id, sealed: sealed.toString("base64url") };
}

/** Decrypts with the key it was sealed with. */
export async function openSecret(
  keys: PlatformKeys,
  place: SecretPlace,
  { keyId, sealed }: SealedSecret,
): Promise<OpenedSecret> {
  const key = keys.find(({ id }) => id === keyId);
  if (key === undefined) return { ok: false, reason: "unknown_key" };
  try {
    const bytes = Buffer.from(sealed, "base64url");
    const plaintext = await crypto.subtle.decrypt(
      algorithm(bytes.subarray(0, NONCE_BYTES), place),
      await importKey(key),
      bytes.subarray(NONCE_BYTES),
    );
    return { ok: true, value: new TextDecoder().decode(plaintext) };
  } catch {
    // WebCrypto says no more than that, and neither do we.
    return { ok: false, reason: "not_authentic" };
  }
}

function algorithm(nonce: Uint8Array<ArrayBuffer>, { tenantId, name }: SecretPlace) {
  // JSON keeps the parts apart: no two places have the same text.
  const additionalData = new TextEncoder().encode(JSON.stringify(["secret", tenantId, name]));
  return { name: "AES-GCM", iv: nonce, additionalData };
}

function importKey({ key }: PlatformKey): Promise<CryptoKey> {
  const bytes = Buffer.from(key, "base64");
  return crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
}
