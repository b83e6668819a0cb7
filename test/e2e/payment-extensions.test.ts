/**
 * The extensions of x402 through the real thing, used by the SDK's own client code: one id is one payment, an answer is
 * its payer's, what is signed can be checked by anybody, and what a client sends back it may not change.
 */
import { x402HTTPClient } from "@x402/core/http";
import type { PaymentPayload } from "@x402/core/types";
import {
  decodeSignedOffers,
  extractOffersFromPaymentRequired,
  extractReceiptFromResponse,
  isJWSSignedOffer,
  isJWSSignedReceipt,
  verifyOfferSignatureJWS,
  verifyReceiptMatchesOffer,
  verifyReceiptSignatureJWS,
} from "@x402/extensions/offer-receipt";
import { appendPaymentIdentifierToExtensions } from "@x402/extensions/payment-identifier";
import { createSIWxClientHook, wrapFetchWithSIWx } from "@x402/extensions/sign-in-with-x";
import { wrapFetchWithPayment } from "@x402/fetch";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod";
import { createPaymentClient } from "../../src/cli/paying-client.ts";
import { payers } from "../../src/local/accounts.ts";
import { type ChainTestClient, chainTestClient } from "../../src/local/chain-test-client.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import { signedTransferIn } from "../support/authorizations.ts";
import { transferCount } from "../support/chain-facts.ts";
import { OriginServer } from "../support/origin-server.ts";
import { type Answer, Payer, quoteOf, readAnswer, send } from "../support/payer.ts";
import { type TestTenant, TestWorld } from "../support/platform.ts";
import { PAID, REPLAYED, type Seen, seen, settlementOf } from "../support/sends.ts";

const CONFLICT: Seen = [409, "payment_conflict", "not-charged"];
const PROOF_REQUIRED: Seen = [409, "replay_proof_required", "settled"];
const [owner, stranger] = [
  privateKeyToAccount(payers[0].privateKey),
  privateKeyToAccount(payers[1].privateKey),
];

let world: TestWorld;
let origin: OriginServer;
let chain: ChainTestClient;
let tenant: TestTenant;
let url: string;
const payer = new Payer(payers[0].privateKey);
const otherPayer = new Payer(payers[1].privateKey);

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
  const route = { origin: origin.url, price: "$0.01", replayGraceSeconds: 0 };
  await tenant.api.deploy({
    tenant: tenant.tenantId,
    routes: [
      { ...route, path: "/sold" },
      { ...route, path: "/strict", paymentIdentifier: "required" },
      { ...route, path: "/signed", signedReceipts: true },
    ],
  });
  url = `${world.url}/t/${tenant.tenantId}/sold`;
});

/** Adds the id as a client does that uses the SDK. */
function withId(id: string): (payload: PaymentPayload) => void {
  return ({ extensions }) => {
    appendPaymentIdentifierToExtensions(extensions ?? {}, id);
  };
}

function newId(): string {
  return `pay_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** What anybody can rebuild of a payment from the chain, wrapped without the quote. */
async function rebuilt(paid: Answer, extensions: PaymentPayload["extensions"] = {}) {
  const transfer = await signedTransferIn(chain, settlementOf(paid)?.transaction ?? "");
  const [offer] = (await quoteOf(url)).accepts;
  const accepted = { ...offer, extra: { name: "USDC", version: "2" } };
  return encodeHeader(
    z.record(z.string(), z.json()).parse({
      x402Version: 2,
      accepted,
      payload: { ...transfer },
      extensions,
    }),
  );
}

async function expectCharged(handlerRuns: number, transfers: number): Promise<void> {
  expect(origin.calls).toBe(handlerRuns);
  expect(await transferCount(chain, tenant.payTo)).toBe(transfers);
}

describe("payment-identifier", () => {
  test("a resend under the same id gets the first answer, byte for byte", async () => {
    const header = await payer.sign(url, withId(newId()));
    const paid = await send(url, header);
    expect(seen(paid)).toEqual(PAID);
    const replayed = await send(url, header);
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    expect(replayed.headers.get("PAYMENT-RESPONSE")).toBe(paid.headers.get("PAYMENT-RESPONSE"));
    await expectCharged(1, 1);
  });

  test("another payload or another request under it is a conflict, and charged to nobody", async () => {
    const id = newId();
    const paid = await send(url, await payer.sign(url, withId(id)));
    expect(seen(paid)).toEqual(PAID);
    for (const target of [url, `${url}?other`]) {
      expect(seen(await send(target, await payer.sign(target, withId(id))))).toEqual(CONFLICT);
    }
    await expectCharged(1, 1);
    expect(seen(await send(url, await otherPayer.sign(url, withId(id))))).toEqual(PAID);
    await expectCharged(2, 2);
  });

  test("it proves a resend to be its payer's, when the quote is lost", async () => {
    const id = newId();
    const paid = await send(url, await payer.sign(url, withId(id)));
    expect(seen(await send(url, await rebuilt(paid)))).toEqual(PROOF_REQUIRED);
    const replayed = await send(
      url,
      await rebuilt(paid, { "payment-identifier": { info: { required: false, id } } }),
    );
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    await expectCharged(1, 1);
  });

  test("a payment that is not its payer's does not take the id away", async () => {
    const id = newId();
    const forged = await payer.sign(url, (payload) => {
      withId(id)(payload);
      payload.payload["signature"] = `0x${"11".repeat(64)}1b`;
    });
    expect((await send(url, forged)).status).toBe(402);
    expect(seen(await send(url, await payer.sign(url, withId(id))))).toEqual(PAID);
    await expectCharged(1, 1);
  });

  test("concurrent payments under one id: one is taken, the others are conflicts", async () => {
    const id = newId();
    const headers = await Promise.all([1, 2, 3].map(() => payer.sign(url, withId(id))));
    const answers = await Promise.all(headers.map((header) => send(url, header)));
    const outcomes = answers.map((answer) => seen(answer).join());
    expect(outcomes.filter((outcome) => outcome === PAID.join())).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === CONFLICT.join())).toHaveLength(2);
    await expectCharged(1, 1);
  });

  test("where it is required a payment without one is 400, and v1 is not offered", async () => {
    const strict = `${world.url}/t/${tenant.tenantId}/strict`;
    const without = await send(strict, await payer.sign(strict));
    expect(seen(without)).toEqual([400, "payment_identifier_required", "not-charged"]);
    expect(await (await fetch(strict)).json()).toMatchObject({ x402Version: 1, accepts: [] });
    expect(seen(await send(strict, await payer.sign(strict, withId(newId()))))).toEqual(PAID);
    await expectCharged(1, 1);
  });
});

describe("extensions that clients send back", () => {
  test("may not be changed: 402 extension_echo_mismatch, and nothing is charged", async () => {
    const changed = await payer.sign(url, (payload) => {
      payload.extensions = { "payment-identifier": { info: { required: true } } };
    });
    const refused = await send(url, changed);
    expect(seen(refused)).toEqual([402, "extension_echo_mismatch", "not-charged"]);
    await expectCharged(0, 0);
  });

  test("may be left out, and others may be added", async () => {
    const own = await payer.sign(url, (payload) => {
      payload.extensions = { "builder-code": { info: { s: ["somebody"] } } };
    });
    expect(seen(await send(url, own))).toEqual(PAID);
  });
});

describe("sign-in-with-x", () => {
  test("the SDK's client fetches what its wallet has paid for, and is not charged again", async () => {
    const signedIn = wrapFetchWithSIWx(fetch, owner);
    expect((await signedIn(url)).status).toBe(402);
    const paid = await payer.pay(url);
    const answer = await readAnswer(await signedIn(url));
    expect([...seen(answer), answer.body]).toEqual([...REPLAYED, paid.body]);
    expect(answer.headers.get("PAYMENT-RESPONSE")).toBe(paid.headers.get("PAYMENT-RESPONSE"));
    expect((await wrapFetchWithSIWx(fetch, stranger)(url)).status).toBe(402);
    expect((await signedIn(`${url}?other`)).status).toBe(402);
    await expectCharged(1, 1);
  });

  test("the paying client with the SDK's hook pays once and signs in ever after", async () => {
    const client = new x402HTTPClient(
      createPaymentClient(payers[0].privateKey, "$1"),
    ).onPaymentRequired(createSIWxClientHook(owner));
    const buy = wrapFetchWithPayment(fetch, client);
    const first = await readAnswer(await buy(url));
    expect(seen(first)).toEqual(PAID);
    const second = await readAnswer(await buy(url));
    expect([...seen(second), second.body]).toEqual([...REPLAYED, first.body]);
    await expectCharged(1, 1);
  });

  test("a sign-in fetches one answer: what was sent once is worth nothing to others", async () => {
    await payer.pay(url);
    const sent: string[] = [];
    await wrapFetchWithSIWx((input, init) => {
      const header = new Request(input, init).headers.get("SIGN-IN-WITH-X");
      if (header !== null) sent.push(header);
      return fetch(input, init);
    }, owner)(url);
    const [header] = sent;
    const again = await fetch(url, { headers: { "SIGN-IN-WITH-X": header ?? "" } });
    expect(seen(await readAnswer(again))).toEqual([402, "invalid_siwx_nonce", "required"]);
  });

  test("beside a payment it proves who resends it", async () => {
    const paid = await payer.pay(url);
    const header = await rebuilt(paid);
    const resend = async (account: typeof owner) => {
      const http = new x402HTTPClient(createPaymentClient(payers[0].privateKey, "$1"));
      const paymentRequired = await quoteOf(url);
      const signedIn = await http
        .onPaymentRequired(createSIWxClientHook(account))
        .handlePaymentRequired(paymentRequired, url);
      return await send(url, header, { headers: signedIn ?? {} });
    };
    expect(seen(await resend(stranger))).toEqual(PROOF_REQUIRED);
    const replayed = await resend(owner);
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    await expectCharged(1, 1);
  });
});

describe("offer-receipt", () => {
  /** The key that speaks for the platform's host, fetched once: what is checked with it is checked offline. */
  async function publishedKey() {
    const document = await (await fetch(`${world.url}/.well-known/did.json`)).json();
    const { verificationMethod } = z
      .object({
        verificationMethod: z.tuple([
          z.object({ publicKeyJwk: z.object({ kty: z.string(), crv: z.string(), x: z.string() }) }),
        ]),
      })
      .parse(document);
    return verificationMethod[0].publicKeyJwk;
  }

  test("offer and receipt are verified by the SDK with the published key", async () => {
    const signedUrl = `${world.url}/t/${tenant.tenantId}/signed`;
    const key = await publishedKey();
    const quote = await quoteOf(signedUrl);
    const offer = extractOffersFromPaymentRequired(quote).find(isJWSSignedOffer);
    if (offer === undefined) throw new Error("the 402 has no signed offer");
    const { scheme, network, asset, payTo, amount } = quote.accepts[0] ?? {};
    expect(await verifyOfferSignatureJWS(offer, key)).toMatchObject({
      version: 1,
      resourceUrl: signedUrl,
      scheme,
      network,
      asset,
      payTo,
      amount,
    });
    // Without a key it is looked up under the host that the statement is about.
    await verifyOfferSignatureJWS(offer);

    const header = await payer.sign(signedUrl, undefined, quote);
    const paid = await send(signedUrl, header);
    const receipt = extractReceiptFromResponse(new Response(null, { headers: paid.headers }));
    if (receipt === undefined || !isJWSSignedReceipt(receipt)) throw new Error("no receipt");
    expect(await verifyReceiptSignatureJWS(receipt, key)).toMatchObject({
      version: 1,
      network,
      resourceUrl: signedUrl,
      payer: owner.address.toLowerCase(),
      transaction: settlementOf(paid)?.transaction,
    });
    const [decoded] = decodeSignedOffers([offer]);
    expect(decoded && verifyReceiptMatchesOffer(receipt, decoded, [owner.address])).toBe(true);
    const forged = receipt.signature.replace(/\.[^.]+\./, `.${btoa('{"version":1}')}.`);
    await expect(verifyReceiptSignatureJWS({ ...receipt, signature: forged }, key)).rejects.toThrow(
      "signature verification failed",
    );

    // The receipt is the answer's: whatever the tenant does next, a replay is the same to the byte.
    await tenant.api.deploy({
      tenant: tenant.tenantId,
      routes: [{ path: "/other", origin: origin.url, price: "$0.01" }],
    });
    const replayed = await send(signedUrl, header);
    expect([...seen(replayed), replayed.body]).toEqual([...REPLAYED, paid.body]);
    expect(replayed.headers.get("PAYMENT-RESPONSE")).toBe(paid.headers.get("PAYMENT-RESPONSE"));
  });

  test("is off where the route does not ask for it", async () => {
    expect(extractOffersFromPaymentRequired(await quoteOf(url))).toEqual([]);
    const paid = await payer.pay(url);
    const receipt = extractReceiptFromResponse(new Response(null, { headers: paid.headers }));
    expect(receipt).toBeUndefined();
  });
});
