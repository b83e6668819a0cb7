/**
 * Transfers by Permit2, as the x402 proxies make them: what is signed, and what a call of theirs says that it settles
 * (contracts/evm of the public x402 repository). Pure.
 */
import { type Hex, decodeFunctionData, hashTypedData, parseAbi } from "viem";
import {
  PERMIT2_ADDRESS,
  X402_EXACT_PERMIT2_PROXY,
  X402_UPTO_PERMIT2_PROXY,
} from "../payment/permit2-contracts.ts";
import type { Authorization, PermitTerms } from "../settlement/authorization.ts";
import { evmChainId } from "./eip3009.ts";
import { asHex } from "./hex.ts";

export const permit2Abi = parseAbi([
  "function nonceBitmap(address owner, uint256 word) view returns (uint256)",
]);

const PERMIT = [
  "struct TokenPermissions { address token; uint256 amount; }",
  "struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }",
  "struct EIP2612Permit { uint256 value; uint256 deadline; bytes32 r; bytes32 s; uint8 v; }",
] as const;

const exactAbi = parseAbi([
  ...PERMIT,
  "struct Witness { address to; uint256 validAfter; }",
  "function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature)",
  "function settleWithPermit(EIP2612Permit permit2612, PermitTransferFrom permit, address owner, Witness witness, bytes signature)",
]);

const uptoAbi = parseAbi([
  ...PERMIT,
  "struct Witness { address to; address facilitator; uint256 validAfter; }",
  "function settle(PermitTransferFrom permit, uint256 amount, address owner, Witness witness, bytes signature)",
  "function settleWithPermit(EIP2612Permit permit2612, PermitTransferFrom permit, uint256 amount, address owner, Witness witness, bytes signature)",
]);

const PERMIT_TYPES = {
  PermitWitnessTransferFrom: [
    { name: "permitted", type: "TokenPermissions" },
    { name: "spender", type: "address" },
    { name: "nonce", type: "uint256" },
    { name: "deadline", type: "uint256" },
    { name: "witness", type: "Witness" },
  ],
  TokenPermissions: [
    { name: "token", type: "address" },
    { name: "amount", type: "uint256" },
  ],
} as const;

const EXACT_TYPES = {
  ...PERMIT_TYPES,
  Witness: [
    { name: "to", type: "address" },
    { name: "validAfter", type: "uint256" },
  ],
} as const;

const UPTO_TYPES = {
  ...PERMIT_TYPES,
  Witness: [
    { name: "to", type: "address" },
    { name: "facilitator", type: "address" },
    { name: "validAfter", type: "uint256" },
  ],
} as const;

/** A transaction as its sender made it; hex is lower-case. */
export interface EvmCall {
  /** Null where it creates a contract. */
  readonly to: Hex | null;
  readonly input: Hex;
}

/** A transfer that a call of a proxy asks Permit2 for; hex is lower-case. */
export interface PermitSettlement {
  readonly token: string;
  readonly payer: string;
  readonly payee: string;
  readonly amountAtomic: bigint;
  readonly nonce: string;
}

/** EIP-712 hash of what a payer signs for Permit2. @throws for numbers of more than 256 bits */
export function permitHash(authorization: Authorization, permit: PermitTerms): Hex {
  const { facilitator } = permit;
  const primaryType = "PermitWitnessTransferFrom";
  const domain = {
    name: "Permit2",
    chainId: evmChainId(authorization.network),
    verifyingContract: PERMIT2_ADDRESS,
  } as const;
  const message = {
    permitted: { token: asHex(permit.token), amount: permit.permittedAtomic },
    spender: asHex(permit.spender),
    nonce: BigInt(authorization.nonce),
    // It may still land in the second of its deadline.
    deadline: wholeSeconds(authorization.validBeforeMs) - 1n,
  };
  const witness = {
    to: asHex(authorization.payee),
    validAfter: wholeSeconds(authorization.validAfterMs),
  };
  return facilitator === null
    ? hashTypedData({ domain, types: EXACT_TYPES, primaryType, message: { ...message, witness } })
    : hashTypedData({
        domain,
        types: UPTO_TYPES,
        primaryType,
        message: { ...message, witness: { ...witness, facilitator: asHex(facilitator) } },
      });
}

/** Where Permit2 keeps a nonce: the word of its owner's bitmap, and the bit in it. */
export function noncePlace(nonce: string): { readonly word: bigint; readonly bit: bigint } {
  return { word: BigInt(nonce) >> 8n, bit: 1n << (BigInt(nonce) & 0xffn) };
}

/** What a transaction settles by Permit2; null where it is no call of an x402 proxy, or one inside another call. */
export function settlementOfCall({ to, input }: EvmCall): PermitSettlement | null {
  try {
    if (to === X402_EXACT_PERMIT2_PROXY) return settlementOfExact(input);
    if (to === X402_UPTO_PERMIT2_PROXY) return settlementOfUpto(input);
    return null;
  } catch {
    // Bytes that the proxy could not read either.
    return null;
  }
}

function settlementOfExact(input: Hex): PermitSettlement {
  const { functionName, args } = decodeFunctionData({ abi: exactAbi, data: input });
  const [permit, owner, { to }] =
    functionName === "settle" ? args : ([args[1], args[2], args[3]] as const);
  return settlementOf(permit, permit.permitted.amount, owner, to);
}

function settlementOfUpto(input: Hex): PermitSettlement {
  const { functionName, args } = decodeFunctionData({ abi: uptoAbi, data: input });
  const [permit, amount, owner, { to }] =
    functionName === "settle" ? args : ([args[1], args[2], args[3], args[4]] as const);
  return settlementOf(permit, amount, owner, to);
}

function settlementOf(
  { permitted, nonce }: { readonly permitted: { readonly token: string }; readonly nonce: bigint },
  amountAtomic: bigint,
  owner: string,
  payee: string,
): PermitSettlement {
  return {
    token: permitted.token.toLowerCase(),
    payer: owner.toLowerCase(),
    payee: payee.toLowerCase(),
    amountAtomic,
    nonce: String(nonce),
  };
}

/** Permit2 and the proxies check block timestamps, which are whole seconds. */
function wholeSeconds(milliseconds: number): bigint {
  return BigInt(Math.floor(milliseconds / 1_000));
}
