/** `exact` by EIP-3009: the token moves the price on the payer's signature, whoever submits it (scheme_exact_evm.md). */
import * as z from "zod";
import { eip3009Identity } from "../identity.ts";
import { EVM_NAMESPACE } from "../networks.ts";
import type { DecodedPayload, Scheme } from "../scheme.ts";
import { addressSchema, firstIssue, lowerHex, toMs, uintSchema } from "../strict-schemas.ts";

const payloadSchema = z.object({
  /** 65 bytes for an EOA; contract wallets (EIP-1271, EIP-6492) need more, bounded by the header's length. */
  signature: lowerHex(/^0x(?:[0-9a-fA-F]{2})+$/, "hex bytes"),
  authorization: z.object({
    from: addressSchema,
    to: addressSchema,
    value: uintSchema,
    validAfter: uintSchema,
    validBefore: uintSchema,
    nonce: lowerHex(/^0x[0-9a-fA-F]{64}$/, "32 bytes"),
  }),
});

export const exactEip3009: Scheme = {
  name: "exact",
  namespace: EVM_NAMESPACE,
  transferMethod: null,
  isFacilitatorBound: false,
  amountIs: "exact",
  evidence: "nonce_log",
  isInV1: true,
  decode,
  identity: (network, asset, { from, nonce }) => eip3009Identity(network, asset, from, nonce),
  refuse({ to, value }, { payTo, amountAtomic }) {
    if (to !== payTo) return "recipient_mismatch";
    return value === amountAtomic ? null : "amount_mismatch";
  },
  offerExtra: ({ name, version }) => ({ name, version }),
};

function decode(payload: Readonly<Record<string, unknown>>): DecodedPayload {
  const parsed = payloadSchema.safeParse(payload);
  if (!parsed.success) return { ok: false, problem: firstIssue(parsed.error) };
  const { signature, authorization } = parsed.data;
  return {
    ok: true,
    signed: {
      from: authorization.from,
      to: authorization.to,
      value: BigInt(authorization.value),
      validAfterMs: toMs(authorization.validAfter),
      validBeforeMs: toMs(authorization.validBefore),
      nonce: authorization.nonce,
      signature,
      payload: { signature, authorization: { ...authorization } },
    },
  };
}
