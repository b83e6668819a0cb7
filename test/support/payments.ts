import type { Payment } from "../../src/settlement/payment.ts";

export const NOW_MS = 1_790_000_000_000;

/** A staged payment of 10,000 atomic units with a fee of 1,000, valid for five minutes. */
export function stagedPayment(overrides: Partial<Payment> = {}): Payment {
  return {
    paymentId: "pay_acme_1",
    direction: "incoming",
    state: "staged",
    identity: "eip3009:eip155:84532:0xasset:0xpayer:0x01",
    payloadDigest: "digest",
    requestFingerprint: "fingerprint",
    proofs: { quoteHash: "quote", identifierHash: null, idempotencyKeyHash: null },
    authorization: {
      network: "eip155:84532",
      asset: "0xasset",
      payer: "0xpayer",
      payee: "0xpayee",
      amountAtomic: 10_000n,
      nonce: "0x01",
      validAfterMs: 0,
      validBeforeMs: NOW_MS + 300_000,
    },
    feeAtomic: 1_000n,
    boundFacilitatorId: null,
    attempts: [],
    transaction: null,
    evidence: null,
    failure: null,
    response: "kept",
    fulfilment: null,
    refundOf: null,
    ruling: null,
    resignGuard: true,
    replayGraceMs: 600_000,
    claimedAtMs: NOW_MS,
    settledAtMs: null,
    confirmedAtMs: null,
    answeredAtMs: null,
    chainCheckedAtMs: null,
    retryCount: 0,
    dueAtMs: NOW_MS,
    ...overrides,
  };
}
