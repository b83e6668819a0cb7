import { authorizationTypes } from "@x402/evm";
import * as fc from "fast-check";
import { hashTypedData, hexToBigInt, hexToBytes, bytesToHex, numberToHex, slice } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { beforeAll, describe, expect, it } from "vitest";
import {
  authorizationHash,
  evmChainId,
  recoverAuthorizationSigner,
  wirePayoutPayment,
} from "../../src/chain/eip3009.ts";
import { payoutNonce, signAuthorization } from "../../src/chain/payout-authorization.ts";
import type { Authorization } from "../../src/settlement/authorization.ts";

const CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const privateKey = generatePrivateKey();
const payer = privateKeyToAccount(privateKey);
const domain = { name: "USDC", version: "2" };
const authorization: Authorization = {
  network: "eip155:84532",
  asset: "0x036cbd53842c5426634e7929541ec2318f3dcf7e",
  payer: payer.address.toLowerCase(),
  payee: "0x00000000000000000000000000000000000000bb",
  amountAtomic: 1_000n,
  nonce: payoutNonce("out_acme_1"),
  validAfterMs: 1_700_000_000_000,
  validBeforeMs: 1_700_000_300_000,
};

/** What a wallet is shown on a chain. */
const typedData = (chainId: number) =>
  ({
    domain: {
      ...domain,
      chainId,
      verifyingContract: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
    },
    types: authorizationTypes,
    primaryType: "TransferWithAuthorization",
    message: {
      from: payer.address,
      to: "0x00000000000000000000000000000000000000bb",
      value: 1_000n,
      validAfter: 1_700_000_000n,
      validBefore: 1_700_000_300n,
      nonce: payoutNonce("out_acme_1"),
    },
  }) as const;

describe("the signer of an authorization", () => {
  let signature: `0x${string}`;
  beforeAll(async () => {
    signature = await payer.signTypedData(typedData(84_532));
  });

  const recover = (text: string, signed: Authorization = authorization) =>
    recoverAuthorizationSigner({ authorization: signed, domain, signature: text });

  it("is recovered from what an ordinary wallet signs, in lower case", async () => {
    expect(await recover(signature)).toBe(payer.address.toLowerCase());
    expect(await recover(`0x${signature.slice(2).toUpperCase()}`)).toBe(authorization.payer);
  });

  it.each([
    ["amount", { amountAtomic: 1_001n }],
    ["payee", { payee: "0x00000000000000000000000000000000000000cc" }],
    ["nonce", { nonce: payoutNonce("out_acme_2") }],
    ["network", { network: "eip155:8453" }],
    ["asset", { asset: "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913" }],
    ["expiry", { validBeforeMs: authorization.validBeforeMs + 1_000 }],
  ])("is somebody else for another %s", async (_field, change) => {
    expect(await recover(signature, { ...authorization, ...change })).not.toBe(authorization.payer);
  });

  it("is nobody for the malleated twin of a valid signature, which USDC refuses", async () => {
    const s = CURVE_ORDER - hexToBigInt(slice(signature, 32, 64));
    const v = signature.endsWith("1b") ? "1c" : "1b";
    const twin = `${slice(signature, 0, 32)}${numberToHex(s, { size: 32 }).slice(2)}${v}`;
    expect(await recover(twin)).toBeNull();
  });

  it("is nobody for v of 0 or 1, which USDC refuses", async () => {
    const v = signature.endsWith("1b") ? "00" : "01";
    expect(await recover(`${signature.slice(0, -2)}${v}`)).toBeNull();
  });

  it.each([
    ["amount", { amountAtomic: 2n ** 256n }],
    ["time", { validBeforeMs: Number.POSITIVE_INFINITY }],
    ["nonce", { nonce: "0x1234" }],
  ])("is nobody for an %s that the token has no room for", async (_field, change) => {
    expect(await recover(signature, { ...authorization, ...change })).toBeNull();
  });

  it.each([
    ["empty", "0x"],
    ["64 bytes (EIP-2098)", `0x${"11".repeat(64)}`],
    ["66 bytes", `0x${"11".repeat(65)}1b`],
    ["not hexadecimal", `0x${"zz".repeat(64)}1b`],
    ["zero r and s", `0x${"00".repeat(64)}1b`],
    ["r beyond the curve", `0x${"ff".repeat(32)}${"01".repeat(32)}1b`],
  ])("is nobody for a signature that is %s", async (_shape, text) => {
    expect(await recover(text)).toBeNull();
  });

  it("is never the payer, and never an error, for other bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 65, maxLength: 65 }), async (bytes) => {
        fc.pre(bytesToHex(bytes) !== signature);
        expect(await recover(bytesToHex(bytes))).not.toBe(authorization.payer);
      }),
      { numRuns: 200 },
    );
  });

  it("is not the payer after any single bit of the signature was flipped", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(65 * 8 - 1), async (bit) => {
        const bytes = hexToBytes(signature);
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(await recover(bytesToHex(bytes))).not.toBe(authorization.payer);
      }),
      { numRuns: 200 },
    );
  });
});

describe("signing an authorization", () => {
  it("gives the same bytes every time", async () => {
    const first = await signAuthorization(authorization, domain, privateKey);
    expect(await signAuthorization(authorization, domain, privateKey)).toBe(first);
    expect(await recoverAuthorizationSigner({ authorization, domain, signature: first })).toBe(
      authorization.payer,
    );
  });

  it("is over the typed data of EIP-712, however many tokens were met before", () => {
    for (let chainId = 1; chainId <= 300; chainId += 1) {
      const there = { ...authorization, network: `eip155:${chainId}` };
      expect(authorizationHash(there, domain)).toBe(hashTypedData(typedData(chainId)));
    }
  });

  it("cuts times off to the seconds the token knows", () => {
    const uneven = { ...authorization, validAfterMs: authorization.validAfterMs + 999 };
    expect(authorizationHash(uneven, domain)).toBe(authorizationHash(authorization, domain));
  });
});

describe("a payout's nonce", () => {
  it("stays the same for ever", () => {
    expect(payoutNonce("out_acme_1")).toBe(
      "0x94057b02b5bcb3a71f8f4bf35016499721832756ed22b3af1f598c31c48d38ae",
    );
  });

  it("differs from payout to payout", () => {
    expect(payoutNonce("out_acme_1")).not.toBe(payoutNonce("out_acme_2"));
  });
});

describe("a payout on its way to a facilitator", () => {
  it("is an x402 v2 payment of the scheme exact", () => {
    const wire = wirePayoutPayment(authorization, domain, "0x5160");
    expect(wire).toEqual({
      x402Version: 2,
      paymentPayload: {
        x402Version: 2,
        accepted: wire.paymentRequirements,
        payload: {
          signature: "0x5160",
          authorization: {
            from: authorization.payer,
            to: authorization.payee,
            value: "1000",
            validAfter: "1700000000",
            validBefore: "1700000300",
            nonce: authorization.nonce,
          },
        },
      },
      paymentRequirements: {
        scheme: "exact",
        network: "eip155:84532",
        amount: "1000",
        asset: authorization.asset,
        payTo: authorization.payee,
        maxTimeoutSeconds: 300,
        extra: { name: "USDC", version: "2" },
      },
    });
  });
});

describe("a chain id", () => {
  it("is the reference of an EVM network", () => {
    expect(evmChainId("eip155:84532")).toBe(84_532);
  });

  it.each(["solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "eip155:", "eip155:01", "84532"])(
    "is not in %s",
    (network) => {
      expect(() => evmChainId(network)).toThrow("is not an EVM network");
    },
  );
});
