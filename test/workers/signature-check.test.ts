/** Whose a signature is, found out at the edge, and what the re-sign guard makes of it: with real ones and forged ones. */
import { generatePrivateKey, privateKeyToAccount, sign } from "viem/accounts";
import { serializeSignature } from "viem";
import { describe, expect, test } from "vitest";
import { authorizationHash } from "../../src/chain/eip3009.ts";
import { isSignatureProved } from "../../src/dispatcher/signature-proof.ts";
import type { SignedAuthorization } from "../../src/settlement/authorization.ts";
import { LedgerCalls } from "../support/ledger-calls.ts";

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
  }, 20_000);

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
  }, 20_000);
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
