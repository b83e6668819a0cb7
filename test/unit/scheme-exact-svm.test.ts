import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isSignedByPayer } from "../../src/chain/signed-by-payer.ts";
import { fromBase58, toBase58 } from "../../src/payment/base58.ts";
import { authorizationOf, decodePayment } from "../../src/payment/decode-payment.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import type { SignedPayload } from "../../src/payment/scheme.ts";
import { exactSvm } from "../../src/payment/schemes/exact-svm.ts";
import { readSvmTransfer } from "../../src/payment/svm-transaction.ts";
import { SOLANA_DEVNET, SOLANA_USDC, SvmPayer, randomSolanaAddress } from "../support/svm-payer.ts";

const NOW_MS = 1_800_000_000_000;
const PAY_TO = randomSolanaAddress();
const FEE_PAYER = randomSolanaAddress();
const REQUIREMENTS = {
  scheme: "exact",
  network: SOLANA_DEVNET,
  amount: "10000",
  asset: SOLANA_USDC,
  payTo: PAY_TO,
  maxTimeoutSeconds: 300,
  extra: { feePayer: FEE_PAYER },
} as const;
const TERMS = {
  asset: { address: SOLANA_USDC, name: "USDC", version: "", decimals: 6 },
  amountAtomic: 10_000n,
  payTo: PAY_TO,
  facilitatorExtra: { feePayer: FEE_PAYER },
};

let payer: SvmPayer;
let transaction: string;

beforeAll(async () => {
  payer = await SvmPayer.create();
  transaction = await payer.sign(REQUIREMENTS);
});

afterAll(() => payer.stop());

function decoded(text: string): SignedPayload | null {
  const result = exactSvm.decode({ transaction: text }, { payTo: PAY_TO, nowMs: NOW_MS });
  return result.ok ? result.signed : null;
}

function changed(change: (bytes: Buffer) => Buffer | void): string {
  const bytes = Buffer.from(transaction, "base64");
  return (change(bytes) ?? bytes).toString("base64");
}

describe("exact on Solana", () => {
  it("reads who pays how much from what the official client signs", () => {
    expect(decoded(transaction)).toMatchObject({
      from: payer.address,
      to: PAY_TO,
      value: 10_000n,
      payload: { transaction },
      // Its blockhash is forgotten by then.
      validBeforeMs: NOW_MS + 120_000,
    });
  });

  it("is known by the hash of its message, whoever has signed it already", () => {
    const message = Buffer.from(transaction, "base64").subarray(1 + 2 * 64);
    const hash = createHash("sha256").update(message).digest("hex");
    const signed = decoded(transaction);
    expect(signed && exactSvm.identity(SOLANA_DEVNET, SOLANA_USDC, signed)).toBe(
      `svm:${SOLANA_DEVNET}:${hash}`,
    );
    const forged = decoded(changed((bytes) => void bytes.fill(7, 1 + 64, 1 + 128)));
    expect([forged?.nonce, forged?.signature === transaction]).toEqual([hash, false]);
  });

  it("fits the terms that were quoted, and no others", async () => {
    const signed = decoded(transaction);
    if (signed === null) throw new Error("not decoded");
    const refusal = (change: Partial<typeof TERMS>) =>
      exactSvm.refuse(signed, { ...TERMS, ...change });
    expect(refusal({})).toBeNull();
    expect(refusal({ amountAtomic: 9_999n })).toBe("amount_mismatch");
    expect(refusal({ payTo: randomSolanaAddress() })).toBe("recipient_mismatch");
    expect(refusal({ facilitatorExtra: { feePayer: PAY_TO } })).toBe("offer_not_matched");
    const other = { ...TERMS.asset, address: randomSolanaAddress() };
    expect(refusal({ asset: other })).toBe("offer_not_matched");
  });

  it("is proved to be its payer's by the signature in it", async () => {
    const proved = async (text: string) => {
      const header = encodeHeader({
        x402Version: 2,
        accepted: REQUIREMENTS,
        payload: { transaction: text },
      });
      const payment = decodePayment(new Headers({ "PAYMENT-SIGNATURE": header }), NOW_MS);
      if (payment.kind !== "payment") throw new Error("not decoded");
      return await isSignedByPayer({
        authorization: authorizationOf(payment.payment, SOLANA_USDC),
        domain: TERMS.asset,
        signature: payment.payment.signature,
      });
    };
    expect(await proved(transaction)).toBe(true);
    expect(await proved(changed((bytes) => void bytes.fill(7, 1 + 64, 1 + 128)))).toBe(false);
  });

  it.each<[string, (bytes: Buffer) => Buffer | void]>([
    ["that its fee payer has signed", (bytes) => void bytes.fill(1, 1, 2)],
    ["with bytes left over", (bytes) => Buffer.concat([bytes, Buffer.of(0)])],
    ["that ends early", (bytes) => bytes.subarray(0, -1)],
    ["with another number of signatures", (bytes) => void bytes.fill(1, 0, 1)],
    ["of a version to come", (bytes) => void bytes.fill(0x81, 129, 130)],
    ["that takes addresses from a table", (bytes) => void bytes.fill(1, bytes.length - 1)],
  ])("refuses a transaction %s", (_, change) => {
    expect(decoded(changed(change))).toBeNull();
  });

  it("has one spelling: other base64 of the same bytes is malformed", () => {
    expect(decoded(` ${transaction}`)).toBeNull();
    expect(decoded(transaction.replace(/=*$/, ""))).toEqual(
      transaction.endsWith("=") ? null : decoded(transaction),
    );
    expect(decoded(transaction.replaceAll("+", "-").replaceAll("/", "_"))).toEqual(
      /[+/]/.test(transaction) ? null : decoded(transaction),
    );
  });

  it("never breaks on bytes of anybody's, and takes no transaction with one of its bytes changed for the same", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1_400 }), (bytes) => {
        expect(readSvmTransfer(Buffer.from(bytes).toString("base64"))).toBeNull();
      }),
      { numRuns: 300 },
    );
    const bytes = Buffer.from(transaction, "base64");
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (index, mask) => {
        const other = decoded(
          changed((copy) => void copy.writeUInt8(copy.readUInt8(index) ^ mask, index)),
        );
        const isSignature = index >= 1 && index < 129;
        if (other !== null && !isSignature)
          expect(other.nonce).not.toBe(decoded(transaction)?.nonce);
      }),
      { numRuns: 300 },
    );
  });

  it("writes keys in base58 and reads nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        expect(fromBase58(toBase58(key), 32)).toEqual(key);
      }),
    );
    expect(toBase58(new Uint8Array(32))).toBe("1".repeat(32));
    for (const text of ["", "0", "l", `${PAY_TO}1`, "1".repeat(33), "z".repeat(44)]) {
      expect([text, fromBase58(text, 32)]).toEqual([text, null]);
    }
  });
});
