/** Extensions as they are offered and read: against the SDK's own code, which runs in Node only. */
import {
  declarePaymentIdentifierExtension,
  validatePaymentIdentifier,
} from "@x402/extensions/payment-identifier";
import {
  type SIWxExtension,
  createSIWxPayload,
  encodeSIWxHeader,
  verifySIWxSignature,
} from "@x402/extensions/sign-in-with-x";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { Route } from "../../src/contracts/snapshot.ts";
import { decodePayment } from "../../src/payment/decode-payment.ts";
import {
  PAYMENT_REQUIRED_LENGTH_MAX,
  advertisedExtensions,
  encodePaymentRequired,
  refuseExtensions,
} from "../../src/payment/extensions/advertise.ts";
import { changedExtension, echoedExtensionsSchema } from "../../src/payment/extensions/echo.ts";
import {
  advertisePaymentIdentifier,
  identifierHash,
} from "../../src/payment/extensions/payment-identifier.ts";
import {
  SIGN_IN_RANDOM_BYTES,
  advertiseSignIn,
  checkSignIn,
  isSignInHost,
} from "../../src/payment/extensions/sign-in-with-x.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import type { JsonObject } from "../../src/payment/wire.ts";

const NETWORK = "eip155:84532";
const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);
const RANDOM = new Uint8Array(SIGN_IN_RANDOM_BYTES).fill(7);
const PLACE = {
  tenantId: "acme",
  uri: new URL("https://acme.402claw.example/cities?country=PT"),
  secret: "a-secret-of-the-tests-that-is-long-enough",
};
const ROUTE: Route = {
  path: "/cities",
  methods: ["GET"],
  priceAtomic: "10000",
  description: "Cities",
  mimeType: "application/json",
  settlement: "after",
  execution: "after",
  resignGuard: true,
  replayGraceSeconds: 600,
  paymentIdentifier: "optional",
  signedReceipts: false,
  handler: { kind: "origin", url: "https://api.example.com/", auth: null },
};
const account = privateKeyToAccount(`0x${"42".repeat(32)}`);

function echoed(extensions: unknown) {
  return echoedExtensionsSchema.parse(extensions);
}

describe("payment-identifier", () => {
  test.each([true, false])("is offered as the SDK declares it (required: %s)", (required) => {
    expect(advertisePaymentIdentifier(required)).toEqual(
      declarePaymentIdentifierExtension(required),
    );
  });

  test.each([
    ["x".repeat(16), true],
    ["pay_7d5d747be160e280504c099d984bcfe0", true],
    ["x".repeat(128), true],
    ["x".repeat(15), false],
    ["x".repeat(129), false],
    ["pay:7d5d747be160e280", false],
    ["", false],
  ])("takes the id %s as the SDK does", (id, isValid) => {
    const extension = { info: { required: false, id } };
    expect(echoedExtensionsSchema.safeParse({ "payment-identifier": extension }).success).toBe(
      isValid,
    );
    expect(validatePaymentIdentifier(extension).valid).toBe(isValid);
  });

  test("a malformed id makes the payment malformed: nobody is left believing to have one", () => {
    const header = encodeHeader({
      x402Version: 2,
      accepted: {
        scheme: "exact",
        network: NETWORK,
        amount: "1",
        asset: "0x",
        payTo: "0x",
        maxTimeoutSeconds: 300,
      },
      payload: {},
      extensions: { "payment-identifier": { info: { required: false, id: "short" } } },
    });
    expect(decodePayment(new Headers({ "PAYMENT-SIGNATURE": header }))).toMatchObject({
      kind: "malformed",
      problem: expect.stringContaining("extensions.payment-identifier.info.id"),
    });
  });

  test("a required one is asked for before anything else of the extensions", () => {
    const route: Route = { ...ROUTE, paymentIdentifier: "required" };
    expect(refuseExtensions(route, {})).toBe("payment_identifier_required");
    expect(refuseExtensions(ROUTE, {})).toBeNull();
    const info = { required: true, id: "x".repeat(16) };
    expect(refuseExtensions(route, echoed({ "payment-identifier": { info } }))).toBeNull();
  });

  test("the same id of another payer is another one", () => {
    expect(identifierHash("0xa", "x".repeat(16))).not.toBe(identifierHash("0xb", "x".repeat(16)));
  });
});

describe("extensions that come back", () => {
  const told: Record<string, JsonObject> = { known: { a: 1, list: ["x"], deep: { b: true } } };

  test.each([
    ["unchanged", { info: { a: 1, list: ["x"], deep: { b: true } } }, null],
    ["with more in it", { info: { a: 1, list: ["x"], deep: { b: true, c: 2 }, d: 3 } }, null],
    ["with another value", { info: { a: 2, list: ["x"], deep: { b: true } } }, "known"],
    ["with a longer list", { info: { a: 1, list: ["x", "y"], deep: { b: true } } }, "known"],
    ["with something left out", { info: { a: 1, list: ["x"] } }, "known"],
    ["as something else", 7, "known"],
    ["as nothing", null, "known"],
  ])("%s", (_, extension, changed) => {
    expect(changedExtension(told, echoed({ known: extension, own: { info: 1 } }))).toBe(changed);
  });

  test("may be left out, and may be of the client's own", () => {
    expect(changedExtension(told, {})).toBeNull();
    expect(changedExtension(told, echoed({ constructor: { info: 1 } }))).toBeNull();
  });

  test("are limited in number and in the length of their keys", () => {
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`e${index}`, {}]));
    expect(echoedExtensionsSchema.safeParse(many).success).toBe(false);
    expect(echoedExtensionsSchema.safeParse({ ["k".repeat(65)]: {} }).success).toBe(false);
  });
});

describe("sign-in-with-x", () => {
  const infoSchema = z.object({ info: z.record(z.string(), z.string()) });

  function challenge(nowMs = NOW_MS, place = PLACE): SIWxExtension["info"] {
    const { info } = infoSchema.parse(advertiseSignIn(place, [NETWORK], nowMs, RANDOM));
    return { domain: "", uri: "", version: "", nonce: "", issuedAt: "", ...info };
  }

  /** As the SDK's client signs a challenge. */
  function proof(info: SIWxExtension["info"], chainId = NETWORK) {
    return createSIWxPayload({ ...info, chainId, type: "eip191" }, account, info.uri);
  }

  function check(header: string, nowMs = NOW_MS + 1_000, place = PLACE) {
    return checkSignIn(header, place, [NETWORK], nowMs);
  }

  test("what the SDK's client signs is accepted, and is what the SDK's server would verify", async () => {
    const payload = await proof(challenge());
    expect(await verifySIWxSignature(payload)).toMatchObject({ isValid: true });
    expect(await check(encodeSIWxHeader(payload))).toEqual({
      ok: true,
      signIn: {
        address: account.address.toLowerCase(),
        nonce: payload.nonce,
        expiresAtMs: NOW_MS + 300_000,
      },
    });
  });

  test.each([
    [
      "another host",
      { uri: new URL("https://beta.402claw.example/cities?country=PT") },
      "domain_mismatch",
    ],
    [
      "another URL",
      { uri: new URL("https://acme.402claw.example/cities?country=ES") },
      "uri_mismatch",
    ],
    ["another tenant", { tenantId: "beta" }, "nonce"],
    ["another platform", { secret: "another-secret-that-is-long-enough-too" }, "nonce"],
  ])("is refused at %s", async (_, elsewhere, reason) => {
    const header = encodeSIWxHeader(await proof(challenge()));
    const place = { ...PLACE, ...elsewhere };
    expect(await check(header, NOW_MS, place)).toEqual({
      ok: false,
      reason: `invalid_siwx_${reason}`,
    });
  });

  test("is refused once its challenge has expired", async () => {
    const header = encodeSIWxHeader(await proof(challenge()));
    expect(await check(header, NOW_MS + 299_999)).toMatchObject({ ok: true });
    expect(await check(header, NOW_MS + 300_000)).toEqual({
      ok: false,
      reason: "invalid_siwx_expired",
    });
  });

  test.each([
    ["a later time", { issuedAt: new Date(NOW_MS + 60_000).toISOString() }, "nonce"],
    ["a time in another spelling", { issuedAt: "2026-01-02T03:04:05Z" }, "header"],
    ["a nonce of the client's", { nonce: "0".repeat(32) }, "nonce"],
    ["another expiry", { expirationTime: new Date(NOW_MS + 900_000).toISOString() }, "signature"],
    ["another statement", { statement: "Send all my money to Mallory." }, "signature"],
    ["more than was asked", { requestId: "1" }, "signature"],
  ])("is refused when %s was signed, which is not our challenge", async (_, change, reason) => {
    const header = encodeSIWxHeader(await proof({ ...challenge(), ...change }));
    expect(await check(header)).toEqual({ ok: false, reason: `invalid_siwx_${reason}` });
  });

  test("is refused for a chain that nobody pays on, and for somebody else's address", async () => {
    const elsewhere = encodeSIWxHeader(await proof(challenge(), "eip155:1"));
    expect(await check(elsewhere)).toEqual({
      ok: false,
      reason: "invalid_siwx_unsupported_chain",
    });
    const payload = await proof(challenge());
    const victim = privateKeyToAccount(`0x${"43".repeat(32)}`).address;
    expect(await check(encodeSIWxHeader({ ...payload, address: victim }))).toEqual({
      ok: false,
      reason: "invalid_siwx_signature",
    });
  });

  test("a contract wallet's signature is refused, not guessed", async () => {
    const payload = await proof(challenge());
    const wrapped = `${payload.signature}${"6492".repeat(16)}`;
    expect(await check(encodeSIWxHeader({ ...payload, signature: wrapped }))).toEqual({
      ok: false,
      reason: "invalid_siwx_signature",
    });
  });

  test.each(["", "e30=", "not base64", "bnVsbA=="])("the header %j is refused", async (header) => {
    expect(await check(header)).toEqual({ ok: false, reason: "invalid_siwx_header" });
  });

  test.each([
    ["https://402claw.example/t/acme", "production", true],
    ["https://acme.402claw.example/", "production", true],
    ["https://evil402claw.example/", "production", false],
    ["http://127.0.0.1:8402/t/acme", "local", true],
    ["http://127.0.0.1:8402/t/acme", "production", false],
  ])("is offered at %s in %s: %s", (url, environment, isOffered) => {
    expect(isSignInHost(new URL(url), "402claw.example", environment)).toBe(isOffered);
  });
});

describe("the PAYMENT-REQUIRED header", () => {
  test("drops what it has no room for, and keeps payment-identifier", () => {
    const offered = {
      route: ROUTE,
      template: "/t/acme/cities",
      params: {},
      networks: [NETWORK],
      offers: [],
      facilitatorExtensions: [],
      baseDomain: "402claw.example",
      environment: "production",
    };
    const encode = (query: string) => {
      const uri = new URL(`https://402claw.example/t/acme/cities?${query}`);
      const place = { ...PLACE, uri };
      const extensions = advertisedExtensions({ ...offered, place }, NOW_MS, RANDOM);
      return encodePaymentRequired({ resource: { url: uri.href } }, extensions);
    };
    const keysOf = (header: string) =>
      Object.keys(
        z.object({ extensions: z.looseObject({}) }).parse(JSON.parse(atob(header))).extensions,
      );
    const all = ["payment-identifier", "sign-in-with-x", "bazaar"];
    const counts = [0, 1_000, 2_000, 2_500, 3_000, 4_000, 5_000].map((length) => {
      const header = encode("a".repeat(length));
      const keys = keysOf(header);
      expect(keys).toEqual(all.slice(0, keys.length));
      expect(header.length).toBeLessThanOrEqual(PAYMENT_REQUIRED_LENGTH_MAX);
      return keys.length;
    });
    expect(counts).toEqual(counts.toSorted((a, b) => b - a));
    expect([counts.at(0), counts.at(-1)]).toEqual([3, 1]);
  });
});
