/**
 * `upto` by Permit2: the payer signs a maximum and who may settle it, and what is charged is known once the handler has
 * run (scheme_upto_evm.md).
 */
import { EVM_NAMESPACE } from "../networks.ts";
import { X402_UPTO_PERMIT2_PROXY } from "../permit2-contracts.ts";
import type { Scheme } from "../scheme.ts";
import { decodePermit2, permit2Identity, refusePermit2 } from "./permit2-payload.ts";

export const upto: Scheme = {
  name: "upto",
  namespace: EVM_NAMESPACE,
  transferMethod: "permit2",
  isFacilitatorBound: true,
  amountIs: "maximum",
  evidence: "decoded_call",
  isInV1: false,
  decode: (payload) => decodePermit2(payload, true),
  identity: permit2Identity,
  refuse(signed, terms) {
    const { facilitatorAddress } = terms.facilitatorExtra;
    const isQuoted =
      typeof facilitatorAddress === "string" &&
      signed.permit2?.facilitator === facilitatorAddress.toLowerCase();
    return isQuoted ? refusePermit2(signed, terms, X402_UPTO_PERMIT2_PROXY) : "offer_not_matched";
  },
  offerExtra: ({ name, version }, { facilitatorAddress }) => ({
    name,
    version,
    assetTransferMethod: "permit2",
    ...(facilitatorAddress === undefined ? {} : { facilitatorAddress }),
  }),
};
