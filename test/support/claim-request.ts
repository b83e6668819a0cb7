import type { ClaimRequest } from "../../src/contracts/ledger.ts";
import { UNBOUNDED_LIMITS } from "./unbounded-limits.ts";

/** The claim of a payment of this name, of a payer whose signature is proved, for a request of its own. */
export function claimRequest(name: string): Omit<ClaimRequest, "tenantId"> {
  return {
    identity: name,
    payloadDigest: `digest ${name}`,
    requestFingerprint: `request ${name}`,
    proofs: { quoteHash: `quote ${name}`, identifierHash: null, idempotencyKeyHash: null },
    payer: "0xpayer",
    refusal: null,
    validBeforeMs: 0,
    signatureProved: true,
    resignGuard: true,
    replayGraceMs: 0,
    answered: [],
    limits: UNBOUNDED_LIMITS,
  };
}
