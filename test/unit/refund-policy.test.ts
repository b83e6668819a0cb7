import { describe, expect, it, test } from "vitest";
import {
  PAYOUT_CAP_ATOMIC,
  type RefundSigningRequest,
  refundRefusal as signingRefusal,
  refundSigningRequestSchema,
} from "../../src/chain/payout-policy.ts";
import type { NamedTransfer } from "../../src/chain/port.ts";
import { type IncomingTransfer, foreignTransfers } from "../../src/settlement/deposit.ts";
import { shownState } from "../../src/settlement/fulfilment.ts";
import type { Payment } from "../../src/settlement/payment.ts";
import { earlierRefund, refundRefusal } from "../../src/settlement/refund.ts";
import { transition } from "../../src/settlement/transition.ts";
import { stagedPayment } from "../support/payments.ts";

const NOW_MS = 1_700_000_000_000;
const PAYER = "0x00000000000000000000000000000000000000aa";
const STRANGER = "0x00000000000000000000000000000000000000cc";
const DEPOSIT = "0x00000000000000000000000000000000000000dd";
const TRANSACTION = `0x${"11".repeat(32)}`;

const transfer: IncomingTransfer = {
  payer: PAYER,
  amountAtomic: 10_000n,
  transaction: TRANSACTION,
  logIndex: 3,
  blockNumber: 7n,
};

const request = refundSigningRequestSchema.parse({
  tenantId: "acme",
  network: "eip155:84532",
  asset: { address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e", name: "USDC", version: "2" },
  payer: PAYER,
  transaction: TRANSACTION,
  logIndex: 3,
  amountAtomic: 10_000n,
  validAfterMs: 0,
  validBeforeMs: NOW_MS + 3_600_000,
});

function refusal(
  change: Partial<RefundSigningRequest>,
  named: NamedTransfer = { found: "confirmed", transfer },
  payTo = DEPOSIT,
) {
  const record = { serial: 1, wallet: STRANGER, payTo };
  const context = { depositAddress: DEPOSIT, nowMs: NOW_MS };
  return signingRefusal({ ...request, ...change }, record, named, context);
}

describe("the signer", () => {
  it("signs that a transfer goes back to who sent it", () => {
    expect(refusal({})).toBeNull();
  });

  it.each([
    ["to anybody else, the tenant's own wallet too", { payer: STRANGER }],
    ["of more than came in", { amountAtomic: 10_001n }],
    ["of less", { amountAtomic: 9_999n }],
  ])("refuses a refund %s", (_what, change) => {
    expect(refusal(change)).toBe("transfer_not_found");
  });

  it("refuses what the chain does not show deep enough, and waits when it can't be asked", () => {
    expect(refusal({}, { found: "missing" })).toBe("transfer_not_found");
    expect(refusal({}, { found: "unavailable" })).toBe("chain_unavailable");
  });

  it("holds refunds to the same account, cap and validity as payouts", () => {
    expect(refusal({}, { found: "confirmed", transfer }, STRANGER)).toBe("not_deposit_account");
    const amountAtomic = PAYOUT_CAP_ATOMIC + 1n;
    const large = { found: "confirmed", transfer: { ...transfer, amountAtomic } } as const;
    expect(refusal({ amountAtomic }, large)).toBe("amount_over_cap");
    expect(refusal({ validBeforeMs: NOW_MS + 7_200_001 })).toBe("validity_out_of_bounds");
  });
});

const evidence = { ...transfer, blockHash: "0xbb", blockTimestampMs: NOW_MS };
const undelivered = {
  state: "undelivered",
  attempts: 5,
  beforeMs: NOW_MS,
} as const;

test("only an undelivered payment that the chain has confirmed can be refunded", () => {
  const owed = stagedPayment({ state: "confirmed", evidence, fulfilment: undelivered });
  expect(refundRefusal(owed)).toBeNull();
  expect(refundRefusal({ ...owed, state: "settled" })).toBe("payment_not_confirmed");
  expect(refundRefusal({ ...owed, evidence: null })).toBe("payment_not_confirmed");
  expect(refundRefusal({ ...owed, state: "unknown" })).toBe("nothing_to_refund");
  expect(refundRefusal({ ...owed, fulfilment: null })).toBe("nothing_to_refund");
  const pending = { ...undelivered, state: "pending" } as const;
  expect(refundRefusal({ ...owed, fulfilment: pending })).toBe("nothing_to_refund");
  expect(refundRefusal({ ...owed, direction: "outgoing" })).toBe("nothing_to_refund");
});

test("a payment that lands late, when its answer is gone and was never given, is its payer's", () => {
  const late = {
    type: "chain_checked",
    evidence: { found: "transfer", transfer: evidence },
  } as const;
  const land = (change: Partial<Payment>) => {
    const failed = stagedPayment({ state: "failed", failure: "refused", ...change });
    const { payment, effects } = transition(failed, late, { nowMs: NOW_MS, jitter: 0 });
    const entries = effects.flatMap((effect) =>
      effect.effect === "post" ? effect.posting.entries.map(({ account }) => account) : [],
    );
    return { shown: shownState(payment), entries };
  };
  const owed = { shown: "paid_undelivered", entries: ["deposit", "credits"] };
  expect(land({ response: "removed" })).toEqual(owed);
  const earned = { shown: "settled", entries: ["deposit", "payable", "fees"] };
  expect(land({ response: "kept" })).toEqual(earned);
  expect(land({ response: "removed", answeredAtMs: NOW_MS })).toEqual(earned);
});

test("a refund stands until the chain has ruled out that it lands", () => {
  const refund = stagedPayment({ direction: "outgoing", fulfilment: null, response: "none" });
  for (const state of ["staged", "settling", "unknown", "settled", "confirmed"] as const) {
    expect(earlierRefund({ ...refund, state })).toBe("stands");
  }
  expect(earlierRefund({ ...refund, state: "failed" })).toBe("may_still_land");
  const unwatched = { ...refund, state: "failed", dueAtMs: null } as const;
  expect(earlierRefund(unwatched)).toBe("may_still_land");
  expect(earlierRefund({ ...unwatched, chainCheckedAtMs: NOW_MS })).toBe("ruled_out");
  expect(earlierRefund({ ...refund, state: "expired" })).toBe("ruled_out");
});

test("transfers are foreign unless they are known, worth nothing, or what an open payment waits for", () => {
  const at = (blockNumber: bigint, change: Partial<IncomingTransfer> = {}) => ({
    ...transfer,
    ...change,
    blockNumber,
  });
  const found = [
    at(1n, { transaction: "0xknown" }),
    at(2n, { amountAtomic: 0n }),
    at(5n, { payer: STRANGER }),
    at(4n),
    at(3n),
  ];
  const ledger = {
    isKnown: ({ transaction }: IncomingTransfer) => transaction === "0xknown",
    isAwaited: ({ payer }: IncomingTransfer) => payer === PAYER,
  };
  expect(foreignTransfers(found, ledger)).toEqual({ foreign: [found[2]], heldBlock: 3n });
  expect(foreignTransfers([], ledger)).toEqual({ foreign: [], heldBlock: null });
});
