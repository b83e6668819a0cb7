/** Whose a signature is, found out at the edge, and what the re-sign guard makes of it: with real ones and forged ones. */
import { env } from "cloudflare:workers";
import { generatePrivateKey, privateKeyToAccount, sign } from "viem/accounts";
import { serializeSignature } from "viem";
import { describe, expect, test } from "vitest";
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { authorizationHash } from "../../src/chain/eip3009.ts";
import { isSignatureProved } from "../../src/dispatcher/signature-proof.ts";
import type { SignedAuthorization } from "../../src/settlement/authorization.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";
import { UNBOUNDED_LIMITS } from "../support/unbounded-limits.ts";

const TOKEN = { name: "USDC", version: "2" };
const FORGED = `0x${"12".repeat(32)}${"34".repeat(32)}1b`;
const key = generatePrivateKey();
const payer = privateKeyToAccount(key).address.toLowerCase();

function freshLedger(): LedgerClient {
  const tenantId = parseTenantId(`t${crypto.randomUUID().replaceAll("-", "").slice(0, 20)}`);
  if (tenantId === null) throw new Error("the test made a name that is not one");
  return ledgerOf(env, tenantId);
}

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
async function claim(ledger: LedgerClient, digit: string, forged = false) {
  const nonce = `0x${digit.repeat(64)}`;
  const genuine = await signed(nonce);
  const sent = forged ? { ...genuine, signature: FORGED } : genuine;
  return await ledger.claim({
    identity: `eip3009:eip155:84532:usdc:${payer}:${nonce}`,
    payloadDigest: `${nonce} ${forged}`,
    requestFingerprint: "one request",
    proofs: { quoteHash: nonce, identifierHash: null, idempotencyKeyHash: null },
    payer,
    refusal: null,
    validBeforeMs: sent.authorization.validBeforeMs,
    signatureProved: await isSignatureProved(sent),
    resignGuard: true,
    replayGraceMs: 0,
    answered: [],
    limits: UNBOUNDED_LIMITS,
  });
}

describe("a second authorization for a request that is under way", () => {
  test("is not granted when both are signed by the payer", async () => {
    const ledger = freshLedger();
    const first = await claim(ledger, "1");
    expect(first.result).toBe("granted");
    const second = await claim(ledger, "2");
    expect(second).toMatchObject({ result: "in_progress" });
  }, 20_000);

  test("is granted when the first one is forged: nobody can hold up somebody else's payment", async () => {
    const ledger = freshLedger();
    expect((await claim(ledger, "1", true)).result).toBe("granted");
    expect((await claim(ledger, "2")).result).toBe("granted");
  });

  test("is held up by a genuine one that a forged one came after", async () => {
    const ledger = freshLedger();
    expect((await claim(ledger, "1")).result).toBe("granted");
    const later = await Promise.all([claim(ledger, "2", true), claim(ledger, "3")]);
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
