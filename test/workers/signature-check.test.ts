/** Signatures are checked where the re-sign guard depends on them, and only there: with real ones, and forged ones. */
import { env } from "cloudflare:workers";
import { generatePrivateKey, privateKeyToAccount, sign } from "viem/accounts";
import { serializeSignature } from "viem";
import { describe, expect, test } from "vitest";
import { type LedgerClient, ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { authorizationHash } from "../../src/chain/eip3009.ts";
import type { SignedAuthorization } from "../../src/settlement/authorization.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";

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

/** Claims the same request of the same payer under another authorization, without saying whose the signature is. */
async function claim(ledger: LedgerClient, digit: string, forged = false) {
  const nonce = `0x${digit.repeat(64)}`;
  const genuine = await signed(nonce);
  return await ledger.claim({
    identity: `eip3009:eip155:84532:usdc:${payer}:${nonce}`,
    payloadDigest: `${nonce} ${forged}`,
    requestFingerprint: "one request",
    proofs: { quoteHash: nonce, identifierHash: null, idempotencyKeyHash: null },
    payer,
    refusal: null,
    signed: forged ? { ...genuine, signature: FORGED } : genuine,
    signatureProved: null,
    resignGuard: true,
    replayGraceMs: 0,
    answered: [],
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
