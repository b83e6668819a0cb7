import { describe, expect, it } from "vitest";
import {
  PAYOUT_CAP_ATOMIC,
  type PayoutDirectoryRecord,
  type PayoutSigningRequest,
  payoutRefusal,
  payoutSigningRequestSchema,
} from "../../src/chain/payout-policy.ts";

const NOW_MS = 1_700_000_000_000;
const WALLET = "0x00000000000000000000000000000000000000aa";
const DEPOSIT = "0x00000000000000000000000000000000000000dd";
const STRANGER = "0x00000000000000000000000000000000000000cc";
const record: PayoutDirectoryRecord = { serial: 1, wallet: WALLET, payTo: DEPOSIT };

const request: PayoutSigningRequest = payoutSigningRequestSchema.parse({
  tenantId: "acme",
  serial: 1,
  payoutId: "out_acme_1",
  network: "eip155:84532",
  asset: {
    address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    name: "USDC",
    version: "2",
  },
  wallet: WALLET,
  amountAtomic: PAYOUT_CAP_ATOMIC,
  validAfterMs: 0,
  validBeforeMs: NOW_MS + 7_200_000,
});

function refusal(
  change: Partial<PayoutSigningRequest>,
  known: PayoutDirectoryRecord | null = record,
) {
  return payoutRefusal({ ...request, ...change }, known, {
    depositAddress: DEPOSIT,
    nowMs: NOW_MS,
  });
}

describe("a payout", () => {
  it("is signed at the cap, to the tenant's wallet, for two hours", () => {
    expect(refusal({})).toBeNull();
  });

  it("is refused for a tenant that the directory does not know, or not under this serial", () => {
    expect(refusal({}, null)).toBe("unknown_tenant");
    expect(refusal({}, { ...record, serial: 2 })).toBe("unknown_tenant");
  });

  it("is refused to any address but the tenant's wallet, before anything else is looked at", () => {
    expect(refusal({ wallet: STRANGER, amountAtomic: PAYOUT_CAP_ATOMIC + 1n })).toBe(
      "destination_not_tenant_wallet",
    );
  });

  it("is refused when the tenant is paid elsewhere", () => {
    expect(refusal({}, { ...record, payTo: STRANGER })).toBe("not_deposit_account");
  });

  it("is refused over the cap", () => {
    expect(refusal({ amountAtomic: PAYOUT_CAP_ATOMIC + 1n })).toBe("amount_over_cap");
  });

  it.each([
    ["ends before it begins", { validAfterMs: NOW_MS + 10, validBeforeMs: NOW_MS + 10 }],
    ["is over", { validBeforeMs: NOW_MS }],
    ["lasts too long", { validBeforeMs: NOW_MS + 7_200_001 }],
  ])("is refused when its validity %s", (_situation, change) => {
    expect(refusal(change)).toBe("validity_out_of_bounds");
  });
});

describe("a request to sign a payout", () => {
  it("loses what the signer does not need", () => {
    const network = { ...request.asset, decimals: 6 };
    expect(payoutSigningRequestSchema.parse({ ...request, asset: network })).toEqual(request);
  });

  it("has its addresses lower-cased", () => {
    expect(request.asset.address).toBe("0x036cbd53842c5426634e7929541ec2318f3dcf7e");
  });

  it.each([
    ["another network", { network: "solana:mainnet" }],
    ["no amount", { amountAtomic: 0n }],
    ["a negative amount", { amountAtomic: -1n }],
    ["an amount that is no bigint", { amountAtomic: 5 }],
    ["a payment's id", { payoutId: "pay_acme_1" }],
    ["a wallet that is no address", { wallet: "0x12" }],
    ["serial 0", { serial: 0 }],
    ["a network number with a leading zero", { network: "eip155:01" }],
  ])("is malformed with %s", (_shape, change) => {
    expect(payoutSigningRequestSchema.safeParse({ ...request, ...change }).success).toBe(false);
  });
});
