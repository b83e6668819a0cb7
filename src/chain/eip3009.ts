/**
 * EIP-3009 transfers with authorization, as USDC implements them: what is signed, who signed it, and how a payout
 * travels to a facilitator. Pure.
 */
import {
  type Hex,
  concatHex,
  domainSeparator,
  hashStruct,
  keccak256,
  parseAbi,
  recoverAddress,
} from "viem";
import type { JsonObject, WirePayment } from "../payment/wire.ts";
import type { Authorization, SignedAuthorization } from "../settlement/authorization.ts";
import { asHex } from "./hex.ts";

export const eip3009Abi = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "function authorizationState(address authorizer, bytes32 nonce) view returns (bool)",
  "function balanceOf(address account) view returns (uint256)",
]);

const TRANSFER_WITH_AUTHORIZATION = {
  TransferWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;

/** Name and version of the token's EIP-712 domain; chain and contract come from the authorization. */
export interface TokenDomain {
  readonly name: string;
  readonly version: string;
}

/** The token's contract checks block timestamps, which are whole seconds. */
const MS_PER_SECOND = 1_000;

/** How long a facilitator may take over a payout, as x402 `maxTimeoutSeconds`. */
const PAYOUT_TIMEOUT_SECONDS = 300;

const ECDSA_SIGNATURE_PATTERN = /^0x[0-9a-f]{128}(?:1b|1c)$/;
/** Half the order of secp256k1. For each signature with a higher `s` there is an equivalent one below it. */
const SIGNATURE_S_MAX = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

/**
 * Chain id of a CAIP-2 network.
 * @throws Error for anything but an EVM network: the configuration admits no other.
 */
export function evmChainId(network: string): number {
  const reference = /^eip155:([1-9][0-9]{0,9})$/.exec(network)?.[1];
  if (reference === undefined) throw new Error(`${network} is not an EVM network`);
  return Number(reference);
}

/**
 * EIP-712 hash of the authorization: what its payer signs. Times are cut off to whole seconds.
 * @throws for a number above 256 bits
 */
export function authorizationHash(authorization: Authorization, domain: TokenDomain): Hex {
  const structHash = hashStruct({
    types: TRANSFER_WITH_AUTHORIZATION,
    primaryType: "TransferWithAuthorization",
    data: {
      from: asHex(authorization.payer),
      to: asHex(authorization.payee),
      value: authorization.amountAtomic,
      validAfter: wholeSeconds(authorization.validAfterMs),
      validBefore: wholeSeconds(authorization.validBeforeMs),
      nonce: asHex(authorization.nonce),
    },
  });
  return keccak256(concatHex(["0x1901", separatorOf(authorization, domain), structHash]));
}

/** Working one out takes most of the time of a hash. By network, token, name and version. */
const separators = new Map<string, Hex>();
/** One for each token that is configured; but a payment's network is its sender's to write, before it is refused. */
const SEPARATORS_MAX = 256;

function separatorOf({ network, asset }: Authorization, { name, version }: TokenDomain): Hex {
  const key = JSON.stringify([network, asset, name, version]);
  const known = separators.get(key);
  if (known !== undefined) return known;
  const separator = domainSeparator({
    domain: { name, version, chainId: evmChainId(network), verifyingContract: asHex(asset) },
  });
  if (separators.size >= SEPARATORS_MAX) separators.clear();
  separators.set(key, separator);
  return separator;
}

/**
 * Who signed an authorization, as a lower-case address; null when the signature is not one that USDC would take from
 * an externally owned account. Like its ECRecover, this wants exactly 65 bytes, `v` of 27 or 28, and the lower of the
 * two possible `s`: the other one would be a second signature by nobody over the same nonce. A contract wallet's
 * signature (EIP-1271, EIP-6492) is null too; only the chain can check that.
 */
export function recoverAuthorizationSigner({
  authorization,
  domain,
  signature,
}: Omit<SignedAuthorization, "permit2">): Promise<string | null> {
  return recoverSigner(() => authorizationHash(authorization, domain), signature);
}

/** The same for anything that an externally owned account signs. @param hashOf may throw for what can't be signed */
export async function recoverSigner(hashOf: () => Hex, spelled: string): Promise<string | null> {
  const signature = spelled.toLowerCase();
  if (!ECDSA_SIGNATURE_PATTERN.test(signature)) return null;
  if (BigInt(`0x${signature.slice(66, 130)}`) > SIGNATURE_S_MAX) return null;
  try {
    const signer = await recoverAddress({ hash: hashOf(), signature: asHex(signature) });
    return signer.toLowerCase();
  } catch {
    // A number above 256 bits can't be signed; and no key makes a signature with an `r` that is off the curve.
    return null;
  }
}

/** A signed payout as an x402 v2 payment (scheme `exact`), so that any facilitator can settle it. */
export function wirePayoutPayment(
  authorization: Authorization,
  domain: TokenDomain,
  signature: string,
): WirePayment {
  const paymentRequirements: JsonObject = {
    scheme: "exact",
    network: authorization.network,
    amount: authorization.amountAtomic.toString(),
    asset: authorization.asset,
    payTo: authorization.payee,
    maxTimeoutSeconds: PAYOUT_TIMEOUT_SECONDS,
    extra: { name: domain.name, version: domain.version },
  };
  return {
    x402Version: 2,
    paymentPayload: {
      x402Version: 2,
      accepted: paymentRequirements,
      payload: {
        signature,
        authorization: {
          from: authorization.payer,
          to: authorization.payee,
          value: authorization.amountAtomic.toString(),
          validAfter: wholeSeconds(authorization.validAfterMs).toString(),
          validBefore: wholeSeconds(authorization.validBeforeMs).toString(),
          nonce: authorization.nonce,
        },
      },
    },
    paymentRequirements,
  };
}

function wholeSeconds(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds / MS_PER_SECOND));
}
