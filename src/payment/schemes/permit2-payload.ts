/** What payers sign for Permit2: the token and amount, who may move it to whom, and until when (scheme_exact_evm.md). */
import * as z from "zod";
import type { DecodedPayload, PayloadRefusal, PayloadTerms, SignedPayload } from "../scheme.ts";
import { addressSchema, firstIssue, lowerHex, toMs, uintSchema } from "../strict-schemas.ts";

const UINT256_MAX = 2n ** 256n - 1n;
/** Permit2 takes a signature in the second of its deadline, and not after it. */
const DEADLINE_MS = 1_000;

/** Above it nothing can be put on the chain. */
const uint256Schema = uintSchema.pipe(
  z.string().refine((text) => BigInt(text) <= UINT256_MAX, "is over 256 bits"),
);

const payloadSchema = z.object({
  /** 65 bytes for an EOA; contract wallets need more, bounded by the header's length. */
  signature: lowerHex(/^0x(?:[0-9a-fA-F]{2})+$/, "hex bytes"),
  permit2Authorization: z.object({
    from: addressSchema,
    permitted: z.object({ token: addressSchema, amount: uint256Schema }),
    spender: addressSchema,
    nonce: uint256Schema,
    deadline: uint256Schema,
    witness: z.object({
      to: addressSchema,
      /** Signed in `upto` only. */
      facilitator: addressSchema.optional(),
      validAfter: uint256Schema,
    }),
  }),
});

/** @param namesFacilitator whether the payer signs who may settle it */
export function decodePermit2(
  payload: Readonly<Record<string, unknown>>,
  namesFacilitator: boolean,
): DecodedPayload {
  const parsed = payloadSchema.safeParse(payload);
  if (!parsed.success) return { ok: false, problem: firstIssue(parsed.error) };
  const { signature, permit2Authorization: permit } = parsed.data;
  const { to, validAfter, facilitator } = permit.witness;
  if (namesFacilitator && facilitator === undefined) {
    const problem = "permit2Authorization.witness.facilitator must be a 20-byte address";
    return { ok: false, problem };
  }
  const signedFor = namesFacilitator && facilitator !== undefined ? { facilitator } : {};
  return {
    ok: true,
    signed: {
      from: permit.from,
      to,
      value: BigInt(permit.permitted.amount),
      validAfterMs: toMs(validAfter),
      validBeforeMs: Math.min(toMs(permit.deadline) + DEADLINE_MS, Number.MAX_SAFE_INTEGER),
      nonce: permit.nonce,
      signature,
      permit2: {
        token: permit.permitted.token,
        permittedAtomic: BigInt(permit.permitted.amount),
        spender: permit.spender,
        facilitator: signedFor.facilitator ?? null,
      },
      payload: {
        signature,
        permit2Authorization: {
          from: permit.from,
          permitted: { ...permit.permitted },
          spender: permit.spender,
          nonce: permit.nonce,
          deadline: permit.deadline,
          witness: { to, ...signedFor, validAfter },
        },
      },
    },
  };
}

/** Permit2 keeps nonces by owner, whatever the token. */
export function permit2Identity(
  network: string,
  _asset: string,
  { from, nonce }: Pick<SignedPayload, "from" | "nonce">,
): string {
  return `permit2:${network}:${from}:${nonce}`;
}

/** @param spender the contract that settles payments of the scheme */
export function refusePermit2(
  { to, value, permit2 }: SignedPayload,
  { asset, payTo, amountAtomic }: PayloadTerms,
  spender: string,
): PayloadRefusal | null {
  if (permit2?.token !== asset.address || permit2.spender !== spender) return "offer_not_matched";
  if (to !== payTo) return "recipient_mismatch";
  return value === amountAtomic ? null : "amount_mismatch";
}
