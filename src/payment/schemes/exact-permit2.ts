/** `exact` by Permit2: any token that its payer has approved Permit2 for, whoever submits it (scheme_exact_evm.md). */
import { EVM_NAMESPACE } from "../networks.ts";
import { X402_EXACT_PERMIT2_PROXY } from "../permit2-contracts.ts";
import type { Scheme } from "../scheme.ts";
import { decodePermit2, permit2Identity, refusePermit2 } from "./permit2-payload.ts";

export const exactPermit2: Scheme = {
  name: "exact",
  namespace: EVM_NAMESPACE,
  transferMethod: "permit2",
  isFacilitatorBound: false,
  amountIs: "exact",
  evidence: "decoded_call",
  isInV1: false,
  decode: (payload) => decodePermit2(payload, false),
  identity: permit2Identity,
  refuse: (signed, terms) => refusePermit2(signed, terms, X402_EXACT_PERMIT2_PROXY),
  // The token's name and version are for the permit that some clients sign in place of an approval.
  offerExtra: ({ name, version }) => ({ name, version, assetTransferMethod: "permit2" }),
};
