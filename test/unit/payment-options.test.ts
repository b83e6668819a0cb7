import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type NetworkConfig, parseNetworks } from "../../src/config.ts";
import { PRICES_MAX, manifestSchema } from "../../src/contracts/manifest.ts";
import type { Route, TenantSnapshot } from "../../src/contracts/snapshot.ts";
import { kindOf } from "../../src/dispatcher/verify.ts";
import { type DecodedPayment, decodePayment } from "../../src/payment/decode-payment.ts";
import { PAYMENT_REQUIRED_LENGTH_MAX } from "../../src/payment/extensions/advertise.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";
import {
  type Offer,
  offersOf,
  paymentRequiredV1,
  paymentRequiredV2,
  requirementsV2,
} from "../../src/payment/offer.ts";
import { type QuotedTerms, readQuote, signQuote } from "../../src/payment/quote-token.ts";
import { amountDue, matchOffer, refuseTerms } from "../../src/payment/terms.ts";
import { priceFaults, pricesOf } from "../../src/tenant/price-options.ts";
import { tenantIdSchema } from "../../src/tenant/tenant-id.ts";

const NOW_MS = 1_800_000_000_000;
const SECRET = "quote-secret-of-the-tests-0123456789";
const SOLANA = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const CELO = "eip155:42220";
const TETHER = "0x48065fbbe25f71c9282ddf5e1cd6d6a887483d5e";
const SOLANA_PAY_TO = "7dHbWXmci3dT8UFYWYZweBLXgycu7Y3iL6trKn1Y7ARj";
const PAY_TO = `0x${"ab".repeat(20)}`;
const NETWORKS = parseNetworks({
  NETWORKS: JSON.stringify([{ caip2: "eip155:84532" }, { caip2: CELO }, { caip2: SOLANA }]),
});
const RESOURCE = { url: "https://claw.example/t/acme/x", description: "x", mimeType: "text/plain" };

function own(): NetworkConfig {
  const [network] = NETWORKS;
  if (network === undefined) throw new Error("there are three");
  return network;
}

function routeOf(prices: unknown, payTo?: { solana: string }) {
  const manifest = manifestSchema.parse({
    tenant: "acme",
    payTo,
    routes: [
      { path: "/x", script: "x.js", ...(Array.isArray(prices) ? { prices } : { price: prices }) },
    ],
  });
  const [route] = manifest.routes;
  if (route === undefined) throw new Error("it has one");
  return { route, terms: { network: own(), networks: NETWORKS, payTo: manifest.payTo } };
}

function faultsOf(prices: unknown, payTo?: { solana: string }): string[] {
  const { route, terms } = routeOf(prices, payTo);
  return priceFaults(route, terms).map(({ code, field }) => `${code} ${field}`);
}

function offersFor(prices: unknown, change: Partial<Route> = {}): readonly [Offer, ...Offer[]] {
  const { route, terms } = routeOf(prices, { solana: SOLANA_PAY_TO });
  const snapshot: TenantSnapshot = {
    tenantId: tenantIdSchema.parse("acme"),
    serial: 1,
    plan: "free",
    collection: "treasury",
    payTo: PAY_TO,
    network: own().caip2,
    version: 1,
    deploymentId: "dep_test",
    routes: [],
    secrets: {},
    limitOverrides: [],
  };
  const sold: Route = {
    path: "/x",
    methods: ["GET"],
    description: "x",
    mimeType: "text/plain",
    settlement: "after",
    execution: "after",
    resignGuard: true,
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
    handler: { kind: "origin", url: "https://api.example/x", auth: null },
    ...pricesOf(route, terms),
    ...change,
  };
  return offersOf(snapshot, sold, NETWORKS);
}

function quoteFor(offer: Offer): QuotedTerms {
  return {
    tenantId: "acme",
    route: "/x",
    scheme: offer.scheme.name,
    transferMethod: offer.scheme.transferMethod,
    network: offer.network.caip2,
    asset: offer.asset.address,
    amountAtomic: String(offer.amountAtomic),
    payTo: offer.payTo,
    version: 1,
    expiresAtSeconds: NOW_MS / 1_000 + 300,
    facilitator: offer.facilitator,
  };
}

/** A payment by EIP-3009 as a client makes it for an offer. */
function paymentFor(offer: Offer, version: 1 | 2 = 2): DecodedPayment {
  const payload = {
    signature: `0x${"11".repeat(65)}`,
    authorization: {
      from: `0x${"CD".repeat(20)}`,
      to: offer.payTo,
      value: String(offer.amountAtomic),
      validAfter: "0",
      validBefore: String(NOW_MS / 1_000 + 300),
      nonce: `0x${"01".repeat(32)}`,
    },
  };
  const headers =
    version === 2
      ? { "PAYMENT-SIGNATURE": { x402Version: 2, accepted: requirementsV2(offer), payload } }
      : { "X-PAYMENT": { x402Version: 1, scheme: "exact", network: "celo", payload } };
  const encoded = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    encodeHeader(value),
  ]);
  const decoded = decodePayment(new Headers(encoded), NOW_MS);
  if (decoded.kind !== "payment") throw new Error("not decoded");
  return decoded.payment;
}

const THREE = [
  { price: "$0.02", network: CELO, asset: TETHER },
  { price: "$0.01", network: CELO },
  { price: "$0.03", network: SOLANA },
];

describe("the prices of a manifest", () => {
  test("are sold as they are listed, and a plain price in the tenant's first token", () => {
    const options = offersFor(THREE).map(({ network, asset, amountAtomic, payTo }) => [
      network.caip2,
      asset.name,
      amountAtomic,
      payTo,
    ]);
    expect(options).toEqual([
      [CELO, "Tether USD", 20_000n, PAY_TO],
      [CELO, "USDC", 10_000n, PAY_TO],
      [SOLANA, "USDC", 30_000n, SOLANA_PAY_TO],
    ]);
    const [plain, ...others] = offersFor("$0.01");
    expect([plain.network.caip2, plain.amountAtomic, others]).toEqual([
      "eip155:84532",
      10_000n,
      [],
    ]);
  });

  test.each<[string, unknown, string]>([
    ["a network that is not served", [{ price: "$1", network: "eip155:1" }], "network"],
    ["a token that is not served there", [{ price: "$1", asset: TETHER }], "asset"],
    ["Solana, without an address to be paid to", [{ price: "$1", network: SOLANA }], "network"],
    ["a maximum on Solana", [{ price: "$1", network: SOLANA, scheme: "upto" }], "scheme"],
    [
      "Permit2 on Solana",
      [{ price: "$1", network: SOLANA, transferMethod: "permit2" }],
      "transferMethod",
    ],
    [
      "a maximum by EIP-3009",
      [{ price: "$1", scheme: "upto", transferMethod: "eip3009" }],
      "transferMethod",
    ],
  ])("are refused for %s", (_, prices, field) => {
    expect(faultsOf(prices)).toEqual([`invalid_request prices[0].${field}`]);
  });

  test("are by Permit2 where they say so, or name a maximum", () => {
    const prices = [
      { price: "$1" },
      { price: "$1", transferMethod: "permit2" },
      { price: "$1", scheme: "upto" },
    ];
    const ways = offersFor(prices).map((offer) => [
      offer.scheme.name,
      requirementsV2(offer)["extra"],
    ]);
    const token = { name: "USDC", version: "2" };
    const permit2 = { ...token, assetTransferMethod: "permit2" };
    expect(ways).toEqual([
      ["exact", token],
      ["exact", permit2],
      ["upto", permit2],
    ]);
    const named = [{ price: "$1", transferMethod: "eip3009" }, prices[0]];
    expect(faultsOf(named)).toEqual(["invalid_request prices[1]"]);
  });

  test("are no maximum where the money moves before the handler has run", () => {
    const { route, terms } = routeOf([{ price: "$1", scheme: "upto" }]);
    const faults = priceFaults({ ...route, settlement: "before" }, terms);
    expect(faults.map(({ field }) => field)).toEqual(["prices[0].scheme"]);
  });

  test("are refused where two are the same way to pay", () => {
    expect(faultsOf([{ price: "$1" }, { price: "$2", network: "eip155:84532" }])).toEqual([
      "invalid_request prices[1]",
    ]);
    expect(faultsOf(THREE, { solana: SOLANA_PAY_TO })).toEqual([]);
  });

  test("are one or a list, of a few", () => {
    const parses = (prices: object) =>
      manifestSchema.safeParse({
        tenant: "acme",
        routes: [{ path: "/x", script: "x.js", ...prices }],
      }).success;
    expect(parses({ price: "$1" })).toBe(true);
    expect(parses({})).toBe(false);
    expect(parses({ price: "$1", prices: [{ price: "$1" }] })).toBe(false);
    expect(parses({ prices: [] })).toBe(false);
    const tooMany = Array.from({ length: PRICES_MAX + 1 }, () => ({ price: "$1" }));
    expect(parses({ prices: tooMany })).toBe(false);
  });

  test("in the manual are valid", () => {
    const manual = readFileSync(join(import.meta.dirname, "../../docs/payments.md"), "utf8");
    const example: unknown = JSON.parse(/```json\n([^`]+)```/.exec(manual)?.[1] ?? "");
    expect(manifestSchema.safeParse(example).error).toBeUndefined();
  });
});

describe("a payment", () => {
  const [tether, usdc, solana] = offersFor(THREE);
  const offers = offersFor(THREE);
  const PLACE = {
    tenantId: "acme",
    route: "/x",
    resourceUrl: "https://402claw.example/t/acme/x",
    nowMs: NOW_MS,
  };

  test("is for the option that it says it accepted; in v1 for the one of its network", () => {
    if (usdc === undefined) throw new Error("three are offered");
    expect(matchOffer(paymentFor(tether), offers)).toBe(offers[0]);
    expect(matchOffer(paymentFor(usdc), offers)).toBe(offers[1]);
    expect(matchOffer(paymentFor(usdc, 1), offers)).toBe(offers[1]);
  });

  test("for no option says what is wrong with it", () => {
    const payment = paymentFor(tether);
    const accepted = payment.accepted && { ...payment.accepted, asset: PAY_TO };
    expect(matchOffer({ ...payment, accepted }, offers)).toBe("offer_not_matched");
    expect(matchOffer({ ...payment, network: "eip155:1" }, offers)).toBe("network_mismatch");
    expect(matchOffer({ ...payment, scheme: "upto", method: null }, offers)).toBe(
      "scheme_mismatch",
    );
  });

  test("fits with a quote of its own option, and with no other's", () => {
    if (usdc === undefined) throw new Error("three are offered");
    const context = { ...PLACE, offer: usdc };
    const refusal = (quote: QuotedTerms | null) =>
      refuseTerms(paymentFor(usdc), { ...context, quote });
    expect(refusal(null)).toBeNull();
    expect(refusal(quoteFor(usdc))).toBeNull();
    expect(refusal(quoteFor(tether))).toBe("offer_not_matched");
    expect(refusal({ ...quoteFor(usdc), transferMethod: "permit2" })).toBe("offer_not_matched");
    const facilitator = { facilitatorId: "payai", extra: {} };
    expect(refusal({ ...quoteFor(usdc), facilitator })).toBe("offer_not_matched");
  });

  test("fits the URL that it names, or any when it names none", () => {
    if (usdc === undefined) throw new Error("three are offered");
    const context = { ...PLACE, offer: usdc, quote: quoteFor(usdc) };
    const refusal = (resourceUrl: string | null) =>
      refuseTerms({ ...paymentFor(usdc), resourceUrl }, context);
    expect(refusal(null)).toBeNull();
    expect(refusal(PLACE.resourceUrl)).toBeNull();
    expect(refusal(`${PLACE.resourceUrl}?other=1`)).toBe("resource_mismatch");
  });

  test("that is bound to a facilitator needs the quote that names it", () => {
    if (solana === undefined) throw new Error("three are offered");
    const facilitator = { facilitatorId: "payai", extra: { feePayer: "its address" } };
    const token = signQuote(quoteFor({ ...solana, facilitator }), new Uint8Array(16), SECRET);
    expect(readQuote(token, SECRET)?.facilitator).toEqual(facilitator);
    const context = { ...PLACE, offer: solana };
    expect(refuseTerms(paymentFor(tether), { ...context, quote: null })).toBe("quote_invalid");
    const unnamed = { ...context, quote: quoteFor(solana) };
    expect(refuseTerms(paymentFor(tether), unnamed)).toBe("offer_not_matched");
    expect(amountDue(unnamed)).toBe(30_000n);
  });
});

describe("a 402", () => {
  test("offers v1 one token per network, and nothing that is bound or paid upfront", () => {
    const { accepts } = paymentRequiredV1(offersFor(THREE), RESOURCE, "Payment required");
    expect(accepts).toMatchObject([{ network: "celo", maxAmountRequired: "10000" }]);
    const upfront = offersFor(THREE, { settlement: "before" });
    expect(paymentRequiredV1(upfront, RESOURCE, "Payment required").accepts).toEqual([]);
  });

  test("has nothing in its v1 document that the last clients of v1 alone would throw at, while they can pay", () => {
    const document = (prices: unknown) =>
      paymentRequiredV1(offersFor(prices), RESOURCE, "Payment required");
    const base = { price: "$0.01", network: "eip155:84532" };
    const celo = { price: "$0.01", network: CELO };
    expect(document([celo, base])["accepts"]).toMatchObject([{ network: "base-sepolia" }]);
    expect(document([celo])["accepts"]).toMatchObject([{ network: "celo" }]);
  });

  test("has room for as many options as a route may have", () => {
    const [offer] = offersFor("$0.01", { path: `/${"x".repeat(199)}` });
    const facilitator = { facilitatorId: "f".repeat(32), extra: { feePayer: SOLANA_PAY_TO } };
    const quoted = { ...offer, facilitator };
    const token = signQuote(
      { ...quoteFor(quoted), tenantId: "t".repeat(32), route: `/${"x".repeat(60)}` },
      new Uint8Array(16),
      SECRET,
    );
    const quotes = Array.from({ length: PRICES_MAX }, () => ({ offer: quoted, token }));
    const header = encodeHeader(paymentRequiredV2(quotes, RESOURCE, "Payment required"));
    expect(header.length).toBeLessThan(PAYMENT_REQUIRED_LENGTH_MAX);
  });
});

test.each([
  ["permit2", ["eip2612GasSponsoring"]],
  ["eip3009", []],
] as const)("by %s asks for facilitators that list %j", (transferMethod, extensions) => {
  const [offer] = offersFor([{ price: "$0.01", transferMethod }]);
  const signed = { info: { from: PAY_TO, signature: "0x11" } };
  const echoed = { eip2612GasSponsoring: signed, mine: signed };
  const [plain] = offersFor("$0.01");
  const payment = { ...paymentFor(plain), extensions: echoed };
  const kind = { x402Version: 2, scheme: "exact", network: own().caip2, extensions };
  expect(kindOf({ offer, payment })).toEqual(kind);
});
