import { x402Client } from "@x402/core/client";
import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentRequirements } from "@x402/core/types";
import { ExactEvmScheme } from "@x402/evm/exact/client";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import * as fc from "fast-check";
import { encodeFunctionData, parseAbi } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { noncePlace, settlementOfCall } from "../../src/chain/permit2.ts";
import { isSignedByPayer } from "../../src/chain/signed-by-payer.ts";
import { signedAuthorizationOf } from "../../src/dispatcher/edge/signature-proof.ts";
import { chargedOf } from "../../src/payment/charge.ts";
import { type DecodedPayment, decodePayment } from "../../src/payment/decode-payment.ts";
import { X402_EXACT_PERMIT2_PROXY } from "../../src/payment/permit2-contracts.ts";
import { exactPermit2 } from "../../src/payment/schemes/exact-permit2.ts";
import { upto } from "../../src/payment/schemes/upto.ts";

const NETWORK = "eip155:84532";
const ASSET = {
  address: "0x036cbd53842c5426634e7929541ec2318f3dcf7e",
  name: "USDC",
  version: "2",
  decimals: 6,
};
const PAY_TO = "0x00000000000000000000000000000000000000bb";
const FACILITATOR = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const TERMS = {
  asset: ASSET,
  amountAtomic: 10_000n,
  payTo: PAY_TO,
  facilitatorExtra: { facilitatorAddress: FACILITATOR },
};
const account = privateKeyToAccount(generatePrivateKey());
const client = x402Client.fromConfig({
  schemes: [
    { network: "eip155:*", client: new ExactEvmScheme(account) },
    { network: "eip155:*", client: new UptoEvmScheme(account) },
  ],
});

async function signed(
  scheme: "exact" | "upto",
  change: (permit: Record<string, unknown>) => void = () => {},
): Promise<DecodedPayment | string> {
  const requirements: PaymentRequirements = {
    scheme,
    network: NETWORK,
    amount: "10000",
    asset: ASSET.address,
    payTo: PAY_TO,
    maxTimeoutSeconds: 300,
    extra: { assetTransferMethod: "permit2", facilitatorAddress: FACILITATOR },
  };
  const payload = await client.createPaymentPayload({
    x402Version: 2,
    resource: { url: "https://shop.example/", description: "", mimeType: "" },
    accepts: [requirements],
  });
  change(recordOf(payload.payload["permit2Authorization"]));
  const headers = new Headers({ "PAYMENT-SIGNATURE": encodePaymentSignatureHeader(payload) });
  const decoded = decodePayment(headers);
  if (decoded.kind === "malformed") return decoded.problem;
  if (decoded.kind !== "payment") throw new Error("no payment");
  return decoded.payment;
}

async function payment(scheme: "exact" | "upto"): Promise<DecodedPayment> {
  const decoded = await signed(scheme);
  if (typeof decoded === "string") throw new Error(decoded);
  return decoded;
}

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new Error("not an object");
  return Object.assign(value);
}

describe.each([
  ["exact", exactPermit2],
  ["upto", upto],
] as const)("%s by Permit2", (name, scheme) => {
  it("reads who pays how much, and until when, from what the official client signs", async () => {
    const decoded = await payment(name);
    expect(decoded).toMatchObject({
      method: scheme,
      from: account.address.toLowerCase(),
      to: PAY_TO,
      value: 10_000n,
      validAfterMs: 0,
    });
    const { deadline } = recordOf(decoded.payload["permit2Authorization"]);
    // It may still land in the second of its deadline.
    expect(decoded.validBeforeMs).toBe((Number(deadline) + 1) * 1_000);
  });

  it("is known by its payer and nonce, whatever the token", async () => {
    const decoded = await payment(name);
    const key = `permit2:${NETWORK}:${decoded.from}:${decoded.nonce}`;
    expect(scheme.identity(NETWORK, ASSET.address, decoded)).toBe(key);
    expect(scheme.identity(NETWORK, PAY_TO, decoded)).toBe(key);
  });

  it("fits the terms that were quoted, and no others", async () => {
    const decoded = await payment(name);
    expect(scheme.refuse(decoded, TERMS)).toBeNull();
    expect(scheme.refuse(decoded, { ...TERMS, amountAtomic: 9_999n })).toBe("amount_mismatch");
    expect(scheme.refuse(decoded, { ...TERMS, payTo: ASSET.address })).toBe("recipient_mismatch");
    const asset = { ...ASSET, address: PAY_TO };
    expect(scheme.refuse(decoded, { ...TERMS, asset })).toBe("offer_not_matched");
    const other = await payment(name === "exact" ? "upto" : "exact");
    expect(scheme.refuse(other, TERMS)).toBe("offer_not_matched");
  });

  it("is proved to be its payer's by the signature", async () => {
    const decoded = await payment(name);
    expect(await isSignedByPayer(signedAuthorizationOf(decoded, ASSET))).toBe(true);
    const { permit2 } = decoded;
    if (permit2 === undefined) throw new Error("nothing for Permit2");
    for (const change of [
      { to: ASSET.address },
      { nonce: "1" },
      { validBeforeMs: decoded.validBeforeMs + 1_000 },
      { permit2: { ...permit2, permittedAtomic: 10_001n } },
      { permit2: { ...permit2, spender: PAY_TO } },
      { permit2: { ...permit2, facilitator: PAY_TO } },
    ]) {
      const changed = signedAuthorizationOf({ ...decoded, ...change }, ASSET);
      expect(await isSignedByPayer(changed)).toBe(false);
    }
  });

  it.each([
    ["deadline", "0x10"],
    ["deadline", 17],
    ["nonce", "01"],
    ["nonce", String(2n ** 256n)],
    ["spender", "0x1"],
    ["permitted", { token: ASSET.address, amount: "1e4" }],
    ["witness", {}],
  ])("is malformed with a %s of %j", async (field, value) => {
    const problem = await signed(name, (permit) => void (permit[field] = value));
    expect(problem).toContain(`payload.permit2Authorization.${field}`);
  });

  it("never breaks on a payload of anybody's", () => {
    fc.assert(
      fc.property(fc.object(), (payload) => {
        expect(scheme.decode(payload, { payTo: null, nowMs: 0 }).ok).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});

describe("upto", () => {
  it("fits the facilitator that was quoted, and no other", async () => {
    const decoded = await payment("upto");
    for (const facilitatorExtra of [{}, { facilitatorAddress: PAY_TO }]) {
      expect(upto.refuse(decoded, { ...TERMS, facilitatorExtra })).toBe("offer_not_matched");
    }
  });

  it.each<[string | null, bigint | null]>([
    [null, 10_000n],
    ['{"amount":"500"}', 500n],
    ['{"amount":"0"}', 0n],
    ['{"amount":"10001"}', 10_000n],
    ['{"amount":"50%"}', 5_000n],
    ['{"amount":"33.33%"}', 3_333n],
    ['{"amount":"250%"}', 10_000n],
    ['{"amount":"$0.005"}', 5_000n],
    ['{"amount":"$0.0000019"}', 1n],
    ['{"amount":"$1"}', 10_000n],
    ['{"amount":500}', null],
    ['{"amount":"-1"}', null],
    ['{"amount":"1e3"}', null],
    ['{"amount":""}', null],
    ["{}", null],
    ["500", null],
    ["not JSON", null],
  ])("charges by %s", (header, charged) => {
    expect(chargedOf(header, 10_000n, 6)).toBe(charged);
  });
});

describe("a call that settles by Permit2", () => {
  const permit = { permitted: { token: PAY_TO, amount: 5n }, nonce: 257n, deadline: 9n } as const;
  const abi = parseAbi([
    "struct TokenPermissions { address token; uint256 amount; }",
    "struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }",
    "struct Witness { address to; uint256 validAfter; }",
    "function settle(PermitTransferFrom permit, address owner, Witness witness, bytes signature)",
  ]);
  const input = encodeFunctionData({
    abi,
    functionName: "settle",
    args: [permit, FACILITATOR, { to: PAY_TO, validAfter: 0n }, "0x12"],
  });

  it("says whose nonce it spends, and on what", () => {
    const settlement = {
      token: PAY_TO,
      payer: FACILITATOR.toLowerCase(),
      payee: PAY_TO,
      amountAtomic: 5n,
      nonce: "257",
    };
    expect(settlementOfCall({ to: X402_EXACT_PERMIT2_PROXY, input })).toEqual(settlement);
    // Facilitators append what they like.
    const suffixed = `${input}c0ffee` as const;
    expect(settlementOfCall({ to: X402_EXACT_PERMIT2_PROXY, input: suffixed })).toEqual(settlement);
  });

  it("is one of the proxy's own, and can be read", () => {
    expect(settlementOfCall({ to: PAY_TO, input })).toBeNull();
    expect(settlementOfCall({ to: null, input })).toBeNull();
    expect(settlementOfCall({ to: X402_EXACT_PERMIT2_PROXY, input: "0x1234" })).toBeNull();
  });

  it("spends one bit of one word", () => {
    expect(noncePlace("257")).toEqual({ word: 1n, bit: 2n });
    expect(noncePlace(String(2n ** 256n - 1n))).toEqual({ word: 2n ** 248n - 1n, bit: 1n << 255n });
  });
});
