/** Whose a signature is, found out at the edge, and what the re-sign guard makes of it: with real ones and forged ones. */
import { generatePrivateKey, privateKeyToAccount, sign } from "viem/accounts";
import { serializeSignature } from "viem";
import { afterEach, describe, expect, test, vi } from "vitest";
import { authorizationHash } from "../../src/chain/eip3009.ts";
import { isSignatureProved } from "../../src/dispatcher/edge/signature-proof.ts";
import type { SignedAuthorization } from "../../src/settlement/authorization.ts";
import { LedgerCalls } from "../support/ledger-calls.ts";
import { ANSWER, PaidCalls } from "../support/paid-calls.ts";

const TOKEN = { name: "USDC", version: "2" };
const FORGED = `0x${"12".repeat(32)}${"34".repeat(32)}1b`;
const key = generatePrivateKey();
const payer = privateKeyToAccount(key).address.toLowerCase();

async function signed(nonce: string): Promise<SignedAuthorization> {
  const authorization = {
    network: "eip155:84532",
    asset: "0x036cbd53842c5426634e7929541ec2318f3dcf7e",
    payer,
    payee: `0x${"b0".repeat(20)}`,
    amountAtomic: 10_000n,
    nonce,
    validAfterMs: 0,
    validBeforeMs: Date.now() + 300_000,
  };
  const hash = authorizationHash(authorization, TOKEN);
  const signature = serializeSignature(await sign({ hash, privateKey: key }));
  return { authorization, domain: TOKEN, signature };
}

/** Claims the same request of the same payer under another authorization. */
async function claim(calls: LedgerCalls, digit: string, forged = false) {
  const nonce = `0x${digit.repeat(64)}`;
  const genuine = await signed(nonce);
  const sent = forged ? { ...genuine, signature: FORGED } : genuine;
  return await calls.claim(nonce, {
    payloadDigest: `${nonce} ${forged}`,
    requestFingerprint: "one request",
    payer,
    validBeforeMs: sent.authorization.validBeforeMs,
    signatureProved: await isSignatureProved(sent),
  });
}

describe("a second authorization for a request that is under way", () => {
  test("is not granted when both are signed by the payer", async () => {
    const calls = new LedgerCalls();
    const first = await claim(calls, "1");
    expect(first.result).toBe("granted");
    const second = await claim(calls, "2");
    expect(second).toMatchObject({ result: "in_progress" });
  });

  test("is granted when the first one is forged: nobody can hold up somebody else's payment", async () => {
    const calls = new LedgerCalls();
    expect((await claim(calls, "1", true)).result).toBe("granted");
    expect((await claim(calls, "2")).result).toBe("granted");
  });

  test("is held up by a genuine one that a forged one came after", async () => {
    const calls = new LedgerCalls();
    expect((await claim(calls, "1")).result).toBe("granted");
    const later = await Promise.all([claim(calls, "2", true), claim(calls, "3")]);
    expect(later.map(({ result }) => result)).toEqual(["in_progress", "in_progress"]);
  });
});

describe("a contract wallet that signs again for an answer that it paid for and never got", () => {
  const wallet = generatePrivateKey();
  const owner = generatePrivateKey();
  const stranger = generatePrivateKey();
  const vouchedFor = async () => ({ isValid: true });
  const refused = async () => ({ isValid: false, invalidReason: "invalid_exact_evm_signature" });

  /** The first payment has settled, and its client hung up. @returns the id of that payment */
  async function paidAndHungUp(calls: PaidCalls): Promise<string | null> {
    await calls.open("after");
    const first = await calls.pay("1", wallet, owner);
    expect(first.status).toBe(200);
    await first.body?.cancel();
    return first.headers.get("Payment-Id");
  }

  afterEach(() => vi.restoreAllMocks());

  test("gets it when a facilitator vouches for the signature, and is not charged again", async () => {
    const calls = new PaidCalls();
    const paymentId = await paidAndHungUp(calls);
    calls.onVerify = vouchedFor;
    const second = await calls.pay("1", wallet, owner);
    expect([second.status, await second.text()]).toEqual([200, ANSWER]);
    expect(second.headers.get("Payment-Status")).toBe("superseded");
    expect(second.headers.get("Payment-Superseded-By")).toBe(paymentId);
    expect([calls.runs(), calls.settled]).toEqual([1, ["10000"]]);
  });

  test("and whoever forges its signature gets neither the answer nor the payment's id", async () => {
    const calls = new PaidCalls();
    const paymentId = await paidAndHungUp(calls);
    calls.onVerify = refused;
    const forged = await calls.pay("1", wallet, stranger);
    expect(forged.status).toBe(402);
    expect(await forged.text()).not.toContain(paymentId);
    expect(forged.headers.get("Payment-Superseded-By")).toBeNull();
    expect(calls.runs()).toBe(1);
  });
});

describe("a signature that was proved", () => {
  test("proves nothing but exactly what it was made for", async () => {
    const genuine = await signed(`0x${"4".repeat(64)}`);
    expect(await isSignatureProved(genuine)).toBe(true);
    const { authorization, domain } = genuine;
    const others: SignedAuthorization[] = [
      { ...genuine, authorization: { ...authorization, amountAtomic: 10_001n } },
      { ...genuine, authorization: { ...authorization, payer: authorization.payee } },
      { ...genuine, authorization: { ...authorization, payee: authorization.payer } },
      { ...genuine, authorization: { ...authorization, nonce: `0x${"5".repeat(64)}` } },
      { ...genuine, authorization: { ...authorization, validAfterMs: 1_000 } },
      {
        ...genuine,
        authorization: { ...authorization, validBeforeMs: authorization.validBeforeMs + 1_000 },
      },
      { ...genuine, authorization: { ...authorization, network: "eip155:8453" } },
      { ...genuine, authorization: { ...authorization, asset: authorization.payee } },
      { ...genuine, domain: { ...domain, name: "USD Coin" } },
      { ...genuine, signature: FORGED },
    ];
    expect(await Promise.all(others.map(isSignatureProved))).toEqual(others.map(() => false));
    expect(await isSignatureProved(genuine)).toBe(true);
  });
});
