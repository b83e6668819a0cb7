/**
 * x402 extension `sign-in-with-x`: a payer proves who they are by a signature over a challenge of ours, and gets an
 * answer they have paid for (specs/extensions/sign-in-with-x.md, CAIP-122, EIP-4361). A challenge is stateless: its
 * nonce is an HMAC over everything in it, so that only the nonces that were used are remembered, by the ledger.
 */
import { hashMessage, recoverAddress } from "viem";
import * as z from "zod";
import { asHex } from "../../chain/hex.ts";
import type { SignIn } from "../../contracts/ledger.ts";
import { hmacSha256, toHex } from "../hash.ts";
import { decodeHeader } from "../header-codec.ts";
import type { JsonObject } from "../wire.ts";

export const SIGN_IN_WITH_X = "sign-in-with-x";
export const SIGN_IN_HEADER = "SIGN-IN-WITH-X";

/** How long a challenge may be answered: what the extension recommends. */
const CHALLENGE_VALID_MS = 300_000;
const STATEMENT = "Sign in to fetch an answer that you have paid for.";

/** 64 random bits make challenges distinct, 64 bits of HMAC prove them ours; together the 32 hex digits of the spec. */
export const SIGN_IN_RANDOM_BYTES = 8;
const MAC_BYTES = 8;

/** Why a sign-in is not accepted: the extension's own codes. */
export type SignInRefusal =
  | "invalid_siwx_header"
  | "invalid_siwx_domain_mismatch"
  | "invalid_siwx_uri_mismatch"
  | "invalid_siwx_issued_at"
  | "invalid_siwx_expired"
  | "invalid_siwx_nonce"
  | "invalid_siwx_unsupported_chain"
  | "invalid_siwx_signature";

export type CheckedSignIn =
  | { readonly ok: true; readonly signIn: SignIn }
  | { readonly ok: false; readonly reason: SignInRefusal };

/** Where a challenge holds: one URL of one tenant. */
export interface SignInPlace {
  readonly tenantId: string;
  readonly uri: URL;
  readonly secret: string;
}

interface Challenge {
  readonly nonce: string;
  /** ISO 8601 in UTC, as `Date.toISOString` writes it. */
  readonly issuedAt: string;
  readonly expirationTime: string;
}

const hexSchema = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));

/** Only what decides: anything else a client signed makes another message, which its signature then does not fit. */
const proofSchema = z.object({
  domain: z.string(),
  uri: z.string(),
  chainId: z.string().max(128),
  address: z.string().regex(/^0x[0-9a-fA-F]{40}$/),
  nonce: hexSchema(2 * (SIGN_IN_RANDOM_BYTES + MAC_BYTES)),
  issuedAt: z.string().length(24),
  /** Of an EOA; a contract wallet's can only be checked on the chain, so its payers resend their payment. */
  signature: z.string().max(8_192),
});

const EOA_SIGNATURE_PATTERN = /^0x[0-9a-fA-F]{130}$/;
const EVM_CHAIN_PATTERN = /^eip155:([1-9][0-9]{0,9})$/;

/**
 * Hosts that are ours: a challenge for any other would be signed for somebody who only claims to be us.
 * @param environment where `local` is this machine
 */
export function isSignInHost(uri: URL, baseDomain: string, environment: string): boolean {
  const host = uri.hostname;
  if (host === baseDomain || host.endsWith(`.${baseDomain}`)) return true;
  return environment === "local" && (host === "127.0.0.1" || host === "[::1]");
}

/** What does not change from one challenge to the next. */
export function signInFixedInfo(): JsonObject {
  return { version: "1", statement: STATEMENT };
}

/** @param networks CAIP-2 of EVM chains, where the route is paid for */
export function advertiseSignIn(
  place: SignInPlace,
  networks: readonly string[],
  nowMs: number,
  random: Uint8Array,
): JsonObject {
  const { uri } = place;
  const challenge = challengeOf(place, new Date(nowMs).toISOString(), toHex(random));
  return {
    info: { domain: uri.host, uri: uri.href, ...signInFixedInfo(), ...challenge },
    supportedChains: networks.map((chainId) => ({
      chainId,
      type: "eip191",
      signatureScheme: "eip191",
    })),
    schema: PROOF_JSON_SCHEMA,
  };
}

/**
 * @param header the SIGN-IN-WITH-X header
 * @param networks CAIP-2, that payments may be on
 */
export async function checkSignIn(
  header: string,
  place: SignInPlace,
  networks: readonly string[],
  nowMs: number,
): Promise<CheckedSignIn> {
  const decoded = decodeHeader(header);
  const parsed = proofSchema.safeParse(decoded.ok ? decoded.value : null);
  if (!parsed.success) return refused("invalid_siwx_header");
  const { domain, uri, chainId, address, nonce, issuedAt, signature } = parsed.data;
  if (domain !== place.uri.host) return refused("invalid_siwx_domain_mismatch");
  if (uri !== place.uri.href) return refused("invalid_siwx_uri_mismatch");
  if (!isIsoTime(issuedAt)) return refused("invalid_siwx_issued_at");
  const challenge = challengeOf(place, issuedAt, nonce.slice(0, 2 * SIGN_IN_RANDOM_BYTES));
  if (nonce !== challenge.nonce) return refused("invalid_siwx_nonce");
  const expiresAtMs = Date.parse(challenge.expirationTime);
  if (nowMs >= expiresAtMs) return refused("invalid_siwx_expired");
  const evmChainId = EVM_CHAIN_PATTERN.exec(chainId)?.[1];
  if (evmChainId === undefined || !networks.includes(chainId)) {
    return refused("invalid_siwx_unsupported_chain");
  }
  const message = signInMessage(place.uri, challenge, address, evmChainId);
  const signer = await signerOf(message, signature);
  return signer === address.toLowerCase()
    ? { ok: true, signIn: { address: signer, nonce, expiresAtMs } }
    : refused("invalid_siwx_signature");
}

/** EIP-4361, with our challenge in it. */
function signInMessage(
  uri: URL,
  { nonce, issuedAt, expirationTime }: Challenge,
  address: string,
  evmChainId: string,
): string {
  return `${uri.host} wants you to sign in with your Ethereum account:
${address}

${STATEMENT}

URI: ${uri.href}
Version: 1
Chain ID: ${evmChainId}
Nonce: ${nonce}
Issued At: ${issuedAt}
Expiration Time: ${expirationTime}`;
}

/** The EOA that signed, as a lower-case address; null when none did. */
async function signerOf(message: string, signature: string): Promise<string | null> {
  if (!EOA_SIGNATURE_PATTERN.test(signature)) return null;
  try {
    const hash = hashMessage(message);
    return (await recoverAddress({ hash, signature: asHex(signature) })).toLowerCase();
  } catch {
    // No key makes such a signature.
    return null;
  }
}

/** @param issuedAt 24 characters: years beyond 9999 could overflow what is computed from it */
function challengeOf(
  { tenantId, uri, secret }: SignInPlace,
  issuedAt: string,
  random: string,
): Challenge {
  const message = JSON.stringify([SIGN_IN_WITH_X, tenantId, uri.href, issuedAt, random]);
  const mac = toHex(hmacSha256(secret, message).subarray(0, MAC_BYTES));
  const expirationTime = new Date(Date.parse(issuedAt) + CHALLENGE_VALID_MS).toISOString();
  return { nonce: `${random}${mac}`, issuedAt, expirationTime };
}

/** One spelling only: what the nonce's HMAC was made over. */
function isIsoTime(text: string): boolean {
  const timeMs = Date.parse(text);
  return Number.isFinite(timeMs) && new Date(timeMs).toISOString() === text;
}

function refused(reason: SignInRefusal): CheckedSignIn {
  return { ok: false, reason };
}

/** What the extension says a proof looks like; for clients, nothing here runs it. */
const PROOF_JSON_SCHEMA: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    domain: { type: "string" },
    address: { type: "string" },
    statement: { type: "string" },
    uri: { type: "string", format: "uri" },
    version: { type: "string" },
    chainId: { type: "string" },
    type: { type: "string" },
    nonce: { type: "string" },
    issuedAt: { type: "string", format: "date-time" },
    expirationTime: { type: "string", format: "date-time" },
    signature: { type: "string" },
  },
  required: [
    "domain",
    "address",
    "uri",
    "version",
    "chainId",
    "type",
    "nonce",
    "issuedAt",
    "signature",
  ],
};
