/** What others learn of a route and its host, and that what facilitators say of it stays with us. */
import { wrapFetchWithSIWx } from "@x402/extensions/sign-in-with-x";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as z from "zod";
import { PaidCalls } from "../support/paid-calls.ts";

const sentSchema = z.object({
  paymentPayload: z.looseObject({
    extensions: z.record(z.string(), z.looseObject({ routeTemplate: z.string() })).optional(),
  }),
});

let calls: PaidCalls;

beforeEach(async () => {
  calls = new PaidCalls();
  await calls.open("after");
});

afterEach(() => vi.restoreAllMocks());

/** Bodies of the requests to one of a facilitator's endpoints. */
function sentTo(endpoint: string) {
  return vi
    .mocked(fetch)
    .mock.calls.filter(([input]) => new Request(input).url.endsWith(endpoint))
    .map(([, init]) => sentSchema.parse(JSON.parse(z.string().parse(init?.body))));
}

test("the settlement carries our own word on the route, and no other extension", async () => {
  expect((await calls.pay("1", generatePrivateKey())).status).toBe(200);
  expect(sentTo("/verify").map(({ paymentPayload }) => paymentPayload.extensions)).toEqual([
    undefined,
  ]);
  const [{ paymentPayload } = { paymentPayload: { extensions: undefined } }] = sentTo("/settle");
  expect(Object.keys(paymentPayload.extensions ?? {})).toEqual(["bazaar"]);
  expect(paymentPayload.extensions?.["bazaar"]).toMatchObject({
    routeTemplate: `/t/${calls.tenantId}/items/:key`,
    info: { input: { type: "http", method: "GET", pathParams: { key: "1" } } },
  });
});

test("every host says which key speaks for it, a tenant's own one too", async () => {
  for (const host of ["localhost", `${calls.tenantId}.localhost`, "localhost:8402"]) {
    const document = await calls.fetch(`http://${host}/.well-known/did.json`);
    expect(document.status).toBe(200);
    const did = `did:web:${host.replace(":", "%3A")}`;
    expect(await document.json()).toMatchObject({
      id: did,
      verificationMethod: [{ controller: did, publicKeyJwk: { kty: "OKP", crv: "Ed25519" } }],
    });
  }
});

test("a payer signs in for the URL that is quoted, however the request spells it", async () => {
  const wallet = privateKeyToAccount(generatePrivateKey());
  const spelled = `http://localhost/t/${calls.tenantId}/items/a@b`;
  const signedIn = wrapFetchWithSIWx(async (input, init) => {
    const { headers } = new Request(input, init);
    const response = await calls.fetch(spelled, { headers });
    Object.defineProperty(response, "url", { value: spelled });
    return response;
  }, wallet);
  const refused = z.object({ code: z.string() }).parse(await (await signedIn(spelled)).json());
  // Taken for what it is: there is only nothing that this wallet has paid for.
  expect(refused.code).toBe("payment_required");
});

test("a facilitator's EXTENSION-RESPONSES are not passed on to the payer", async () => {
  const answer = vi.mocked(fetch).getMockImplementation();
  vi.mocked(fetch).mockImplementation(async (input, init) => {
    const answered = await answer?.(input, init);
    const body = z.looseObject({}).parse(await answered?.json());
    return Response.json(
      { ...body, extensions: { bazaar: { status: "rejected" } } },
      { headers: { "EXTENSION-RESPONSES": btoa('{"bazaar":{"status":"rejected"}}') } },
    );
  });
  const paid = await calls.pay("1", generatePrivateKey());
  expect(paid.status).toBe(200);
  expect(paid.headers.has("EXTENSION-RESPONSES")).toBe(false);
  const settlement = atob(paid.headers.get("PAYMENT-RESPONSE") ?? "");
  expect(settlement).toContain('"success":true');
  expect(settlement).not.toContain("extensions");
});
