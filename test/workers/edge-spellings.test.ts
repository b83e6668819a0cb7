/** Whatever way a URL is spelled: nothing is served unpaid, what is charged is what is served, and nothing breaks. */
import * as fc from "fast-check";
import { generatePrivateKey } from "viem/accounts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { PaidCalls } from "../support/paid-calls.ts";

const PRICES: Readonly<Record<string, string>> = {
  "/items/:key": "10000",
  "/reports/daily": "25000",
};
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get"];

/** Pieces that parsers of URLs, routers and proxies are known to disagree about. */
const TRICKS = [
  ..."/ // /./ /../ . .. ... ; ;a=1 ?a=1 ? ?? ?a=1&a=2 ?%61=1 ?a;b=2 # #a ?#a & = + @ : * ~ ,".split(
    " ",
  ),
  ..."%2f %2F %5c %5C %2e %2E%2e %2e%2f %252f %252e %25 %00 %0a %0d%0a %09 %7f %20 %3f %23 %3b %c0%af".split(
    " ",
  ),
  ..."% %z %e0%80%af %ff %ed%a0%80 %u002f %C3%A9 %c3%a9 \\ \\.. é Ⅷ \u2044 \uff0f \u2025 \ud800".split(
    " ",
  ),
  ..."items 1 reports daily ITEMS Reports t http:// //evil.example".split(" "),
];

let calls: PaidCalls;

beforeAll(async () => {
  calls = new PaidCalls();
  await calls.open("after");
});
afterAll(() => vi.restoreAllMocks());

/** A path with tricks put in anywhere. */
const spelling = (paths: readonly string[], tricksMax: number) =>
  fc
    .tuple(
      fc.constantFrom(...paths),
      fc.array(fc.tuple(fc.constantFrom(...TRICKS), fc.nat()), { maxLength: tricksMax }),
    )
    .map(([path, tricks]) =>
      tricks.reduce((text, [trick, at]) => {
        const index = at % (text.length + 1);
        return text.slice(0, index) + trick + text.slice(index);
      }, path),
    );
const SOLD = ["/items/1", "/items/S%C3%A3o", "/reports/daily"];

/** Anything a client may put in its headers that is no payment. */
const headers = fc.constantFrom<HeadersInit>(
  {},
  { Accept: "text/html" },
  { "Idempotency-Key": "0123456789abcdef" },
  { "PAYMENT-RESPONSE": "e30=", "Payment-Status": "settled" },
  { "X-HTTP-Method-Override": "GET", "X-Original-URL": "/items/1", "X-Rewrite-URL": "/items/1" },
);

describe("a request without a payment", () => {
  test("reaches no handler, whatever its URL, method, headers and body", async () => {
    const seen = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(
        spelling([...SOLD, "/items", "/", ""], 4),
        fc.constantFrom(...METHODS),
        headers,
        fc.boolean(),
        async (text, method, sent, hasBody) => {
          const body = hasBody && !/^(?:get|head)$/i.test(method) ? "{}" : null;
          const answer = await calls.fetch(calls.base + text, { method, headers: sent, body });
          expect([400, 402, 404]).toContain(answer.status);
          expect(answer.headers.has("PAYMENT-REQUIRED")).toBe(answer.status === 402);
          seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
        },
      ),
      { numRuns: 6_000 },
    );
    expect(calls.runs()).toBe(0);
    // The spellings are no test if all are refused, or none.
    for (const status of [400, 402, 404]) expect(seen.get(status)).toBeGreaterThan(100);
  }, 240_000);
});

describe("a paid request", () => {
  test("is charged the price of the route that serves it, under the one spelling of its URL", async () => {
    let sold = 0;
    await fc.assert(
      fc.asyncProperty(
        spelling(SOLD, 1),
        fc.constantFrom("GET", "POST"),
        spelling(SOLD, 2),
        async (quotedAt, method, paidAt) => {
          const unpaid = await calls.fetch(calls.base + quotedAt);
          if (unpaid.status !== 402) return;
          const header = await calls.signFor(unpaid, generatePrivateKey());
          for (const text of [paidAt, quotedAt]) {
            calls.served.length = 0;
            calls.settled.length = 0;
            const answer = await calls.fetch(calls.base + text, {
              method,
              headers: { "PAYMENT-SIGNATURE": header },
            });
            expect(answer.status).toBeLessThan(500);
            const [run] = calls.served;
            expect(calls.settled).toEqual(run === undefined ? [] : [PRICES[run.route]]);
            if (run === undefined) continue;
            sold += 1;
            expect(answer.status).toBe(200);
            const { pathname } = new URL(run.url);
            const segments = pathname.slice(1).split("/").map(decodeURIComponent);
            expect(pathname).toBe(`/${segments.map(encodeURIComponent).join("/")}`);
            const isReport = run.route === "/reports/daily";
            expect(isReport ? pathname : segments[0]).toBe(isReport ? run.route : "items");
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(sold).toBeGreaterThan(30);
  }, 240_000);

  test("gets the same answer under every spelling that means the same", async () => {
    const header = await calls.sign("S%C3%A3o", generatePrivateKey());
    calls.served.length = 0;
    for (const text of ["S%C3%A3o", "S%c3%a3o", "São", "%53%C3%A3o", "S%C3%A3o?", "S%C3%A3o#a"]) {
      const answer = await calls.fetch(`${calls.base}/items/${text}`, {
        headers: { "PAYMENT-SIGNATURE": header },
      });
      expect(answer.status).toBe(200);
    }
    expect(calls.served).toHaveLength(1);
  });
});

test.each([
  "//items/1",
  "/items//1",
  "/items/1/",
  "/items/.",
  "/items/./1",
  "/x/../items/1",
  "/items/%2e%2e",
  "/items/%2E",
  "/items/a%2fb",
  "/items/a%5Cb",
  "/items\\1",
  "/items/%00",
  "/items/%0d%0a",
  "/items/%252e",
  "/items/%",
  "/items/%zz",
  "/items/%c0%af",
])("%s is refused before it is matched", expectInvalid);

test.each([
  ["half a character", "/items/\ud800"],
  ["too long a path", `/items/${"a".repeat(2_048)}`],
  ["too many segments", "/items".repeat(40)],
  ["too long a query", `/items/1?${"a".repeat(6_144)}`],
])("%s is refused before it is matched", (_what, text) => expectInvalid(text));

async function expectInvalid(text: string): Promise<void> {
  for (const init of [{}, { headers: { "PAYMENT-SIGNATURE": "e30=" } }]) {
    const answer = await calls.fetch(calls.base + text, init);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "invalid_path" });
  }
}

test.each(["/Items/1", "/items", "/items/1/2", "/reports/Daily", "/items;a/1", "/"])(
  "%s is another path than any that is sold",
  async (text) => {
    const answer = await calls.fetch(calls.base + text);
    expect([answer.status, (await answer.json<{ code: string }>()).code]).toEqual([
      404,
      "unknown_route",
    ]);
  },
);

test.each(["http://", "https://claw.example:99999/t/acme/x", "https://%%%/t/acme/x"])(
  "%s, which is no URL, is refused",
  async (url) => {
    expect((await calls.fetch(url)).status).toBe(400);
  },
);
