/**
 * A stored answer belongs to its payer. Once a payment has settled, its authorization and signature are on the chain
 * for everybody: together with a fresh 402 they make a payment header that is valid in every respect but one. And what
 * its payer asks for stays theirs, whatever the tenant has changed since.
 */
import { encodePaymentSignatureHeader } from "@x402/core/http";
import type { PaymentPayload, PaymentRequired } from "@x402/core/types";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import * as z from "zod";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { loadSecrets } from "../../src/local/secrets.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import { QUOTE_NONCE_BYTES, readQuote, signQuote } from "../../src/payment/quote-token.ts";
import { type SignedTransfer, signedTransferIn } from "../support/authorizations.ts";
import { tokenBalance, transferCount } from "../support/chain-facts.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type Answer, Payer, quoteOf, readAnswer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import { PAID, REPLAYED, type Seen, seen, settlementOf } from "../support/sends.ts";

const hexSchema = z.templateLiteral(["0x", z.string()]);
const signedTransferSchema = z.object({
  signature: hexSchema,
  authorization: z.object({
    from: z.string(),
    to: z.string(),
    value: z.string(),
    validAfter: z.string(),
    validBefore: z.string(),
    nonce: z.string(),
  }),
});

const PROOF_REQUIRED: Seen = [409, "replay_proof_required", "settled"];
const WITHIN = { timeout: 45_000, interval: 200 };

let world: TestWorld;
let origin: OriginServer;
let chain: ChainTestClient;
let tenant: TestTenant;
/** Without a grace window: nobody is served without proof. */
let url: string;
/** With the default one. */
let gracefulUrl: string;
const payer = new Payer(payers[0].privateKey);

beforeAll(async () => {
  world = await TestWorld.start();
  origin = await OriginServer.start();
  chain = chainTestClient(world.chain.rpcUrl);
});

afterAll(async () => {
  await origin?.stop();
  await world?.stop();
});

beforeEach(async () => {
  origin.reset();
  tenant = await world.createTenant();
  await deploy("$0.01", ["/private", "/graceful"]);
  url = `${world.url}/t/${tenant.tenantId}/private`;
  gracefulUrl = `${world.url}/t/${tenant.tenantId}/graceful`;
});

async function deploy(price: string, paths: readonly string[]): Promise<void> {
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: paths.map((path) => ({
      path,
      origin: origin.url,
      price,
      ...(path === "/private" ? { replayGraceSeconds: 0 } : {}),
    })),
  });
}

/** What anybody can read from the chain about a payment that was answered. */
function publicPartOf(paid: Answer): Promise<SignedTransfer> {
  return signedTransferIn(chain, settlementOf(paid)?.transaction ?? "");
}

/** A v2 header around somebody's signature, for the terms of a 402. */
function wrapV2(payload: SignedTransfer, { resource, accepts }: PaymentRequired): string {
  const [accepted] = accepts;
  if (accepted === undefined) throw new Error("the 402 offers nothing");
  return encodePaymentSignatureHeader({
    x402Version: 2,
    resource,
    accepted,
    payload: { ...payload },
  });
}

/** The same as an x402 v1 client would send it. */
async function sendV1(
  target: string,
  { signature, authorization }: SignedTransfer,
  extra: Readonly<Record<string, string>> = {},
) {
  const payment = {
    x402Version: 1,
    scheme: "exact",
    network: "base-sepolia",
    payload: { signature, authorization: { ...authorization } },
  };
  const headers = { ...extra, "X-PAYMENT": encodeHeader(payment) };
  return await readAnswer(await fetch(target, { headers }));
}

/** What a payer has signed and nobody has seen yet. */
async function signedOffline(target: string): Promise<SignedTransfer> {
  const signed: SignedTransfer[] = [];
  await payer.sign(target, ({ payload }) => {
    signed.push(signedTransferSchema.parse(payload));
  });
  const [transfer] = signed;
  if (transfer === undefined) throw new Error("the client signed nothing");
  return transfer;
}

async function expectCharged(handlerRuns: number, transfers: number): Promise<void> {
  expect(origin.calls).toBe(handlerRuns);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
}

describe("whoever rebuilds a payment from the chain", () => {
  test("and a fresh 402 gets 409 replay_proof_required, never the stored answer", async () => {
    const paid = await payer.pay(url);
    const stolen = await publicPartOf(paid);
    const fresh = await quoteOf(url);
    const withoutQuote = {
      ...fresh,
      accepts: fresh.accepts.map((offer) => ({ ...offer, extra: { name: "USDC", version: "2" } })),
    };
    const attempts = [
      await send(url, wrapV2(stolen, fresh)),
      await send(url, wrapV2(stolen, withoutQuote)),
      await send(url, wrapV2(stolen, fresh), {
        headers: { "Idempotency-Key": "a-key-of-the-attacker" },
      }),
      await sendV1(url, stolen),
    ];
    for (const attempt of attempts) {
      expect(seen(attempt)).toEqual(PROOF_REQUIRED);
      expect(attempt.body).not.toContain(paid.body);
      expect(attempt.headers.has("PAYMENT-RESPONSE")).toBe(false);
    }
    const own = await send(url, paid.header);
    expect(seen(own)).toEqual(REPLAYED);
    expect(own.body).toBe(paid.body);
    await expectCharged(1, 1);
  });

  test("gets nothing for another request either, and is charged to nobody", async () => {
    const paid = await payer.pay(url);
    const stolen = await publicPartOf(paid);
    const conflict: Seen = [409, "payment_conflict", "not-charged"];
    for (const target of [gracefulUrl, `${url}?other`]) {
      expect(seen(await send(target, wrapV2(stolen, await quoteOf(target))))).toEqual(conflict);
    }
    await expectCharged(1, 1);
  });
});

describe("the payer proves to be the payer", () => {
  test("with the Idempotency-Key of the first request, when the quote is lost", async () => {
    const key = { headers: { "Idempotency-Key": "0123456789abcdef" } };
    const header = await payer.sign(url);
    const paid = await send(url, header, key);
    expect(seen(paid)).toEqual(PAID);
    const rebuilt = wrapV2(await publicPartOf(paid), await quoteOf(url));
    expect(seen(await send(url, rebuilt))).toEqual(PROOF_REQUIRED);
    const replayed = await send(url, rebuilt, key);
    expect(seen(replayed)).toEqual(REPLAYED);
    expect(replayed.body).toBe(paid.body);
    await expectCharged(1, 1);
  });

  test("but not with a key that is short enough to be guessed", async () => {
    const key = { headers: { "Idempotency-Key": "0123456789abcde" } };
    const header = await payer.sign(url);
    const paid = await send(url, header, key);
    const rebuilt = wrapV2(await publicPartOf(paid), await quoteOf(url));
    expect(seen(await send(url, rebuilt, key))).toEqual(PROOF_REQUIRED);
  });
});

describe("a v1 wrapping of a settled v2 payment is the same payment", () => {
  test("and needs its quote, also within the grace window; it is not charged again", async () => {
    for (const target of [url, gracefulUrl]) {
      const paid = await payer.pay(target);
      expect(seen(await sendV1(target, await publicPartOf(paid)))).toEqual(PROOF_REQUIRED);
    }
    await expectCharged(2, 2);
  });
});

describe("a payment that was made as v1, which has no quote", () => {
  test("is answered again within the grace window, and not charged again", async () => {
    const transfer = await signedOffline(gracefulUrl);
    const paid = await sendV1(gracefulUrl, transfer);
    expect(seen(paid)).toEqual(PAID);
    const replayed = await sendV1(gracefulUrl, transfer);
    expect(seen(replayed)).toEqual(REPLAYED);
    expect(replayed.body).toBe(paid.body);
    expect(replayed.headers.has("X-PAYMENT-RESPONSE")).toBe(true);
    await expectCharged(1, 1);
  });

  test("is not without one, and is not charged again", async () => {
    const transfer = await signedOffline(url);
    expect(seen(await sendV1(url, transfer))).toEqual(PAID);
    expect(seen(await sendV1(url, transfer))).toEqual(PROOF_REQUIRED);
    await expectCharged(1, 1);
  });

  test("nor when it carried an Idempotency-Key: then that is asked for", async () => {
    const transfer = await signedOffline(gracefulUrl);
    const key = { "Idempotency-Key": "0123456789abcdef" };
    expect(seen(await sendV1(gracefulUrl, transfer, key))).toEqual(PAID);
    expect(seen(await sendV1(gracefulUrl, transfer))).toEqual(PROOF_REQUIRED);
    expect(seen(await sendV1(gracefulUrl, transfer, key))).toEqual(REPLAYED);
    await expectCharged(1, 1);
  });
});

describe("a known payment gets its answer", () => {
  test("after the price has changed; and quotes handed out before still buy at theirs", async () => {
    const paid = await payer.pay(url);
    const quotedBefore = await payer.sign(url);
    const balance = await tokenBalance(chain, tenant.payTo);
    await deploy("$0.02", ["/private", "/graceful"]);
    expect((await quoteOf(url)).accepts[0]?.amount).toBe("20000");
    const replayed = await send(url, paid.header);
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    expect(seen(await send(url, quotedBefore))).toEqual(PAID);
    expect(await tokenBalance(chain, tenant.payTo)).toBe(balance + 10_000n);
    await expectCharged(2, 2);
  });

  test("after its route was removed, where only what was quoted before is sold", async () => {
    const paid = await payer.pay(url);
    const unsent = await payer.sign(url);
    const fresh = await quoteOf(url);
    await deploy("$0.01", ["/graceful"]);
    expect(seen(await readAnswer(await fetch(url)))).toEqual([404, "unknown_route", ""]);
    const replayed = await send(url, paid.header);
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    expect(replayed.headers.get("PAYMENT-RESPONSE")).toBe(paid.headers.get("PAYMENT-RESPONSE"));
    const stolen = await publicPartOf(paid);
    expect(seen(await send(url, wrapV2(stolen, fresh)))).toEqual(PROOF_REQUIRED);
    expect(seen(await send(url, unsent))).toEqual(PAID);
    await expectCharged(2, 2);
  });

  test("after its quote has expired", async () => {
    const shortLived = await shortLivedQuote(5);
    const header = await payer.sign(url, undefined, shortLived);
    const paid = await send(url, header);
    expect(seen(paid)).toEqual(PAID);
    // An amount that does not fit is refused before and after; the quote's age is looked at first.
    const probe = await payer.sign(url, tooLittle, shortLived);
    expect((await send(url, probe)).code).toBe("amount_mismatch");
    await vi.waitFor(
      async () => expect((await send(url, probe)).code).toBe("quote_expired"),
      WITHIN,
    );
    const replayed = await send(url, header);
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    await expectCharged(1, 1);
  });
});

/** A 402 whose quote ends soon, signed with the platform's own secret. */
async function shortLivedQuote(seconds: number): Promise<PaymentRequired> {
  const { quoteSecret } = loadSecrets(world.stateDir);
  const required = await quoteOf(url);
  const [offer] = required.accepts;
  const terms = readQuote(String(offer?.extra["quote"]), quoteSecret);
  if (offer === undefined || terms === null) throw new Error("the 402 has no quote of ours");
  const quote = signQuote(
    { ...terms, expiresAtSeconds: Math.floor(Date.now() / 1_000) + seconds },
    crypto.getRandomValues(new Uint8Array(QUOTE_NONCE_BYTES)),
    quoteSecret,
  );
  return { ...required, accepts: [{ ...offer, extra: { ...offer.extra, quote } }] };
}

function tooLittle({ payload }: PaymentPayload): void {
  payload["authorization"] = { ...Object(payload["authorization"]), value: "1" };
}
