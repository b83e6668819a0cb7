/** The headers of x402's HTTP transport, against the examples that its specification prints. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { decodePayment } from "../../src/payment/decode-payment.ts";
import { decodeHeader, encodeHeader } from "../../src/payment/header-codec.ts";
import { settlementHeader } from "../../src/payment/settlement-header.ts";

const exampleSchema = z.object({
  header: z.string(),
  text: z.string(),
  object: z.record(z.string(), z.json()),
});
const settlementSchema = z.object({
  transaction: z.string(),
  payer: z.string(),
  errorReason: z.string().default(""),
});
const FIXTURE = join(import.meta.dirname, "../fixtures/x402-http-examples.json");
const { examples } = z
  .object({ source: z.string(), examples: z.array(exampleSchema) })
  .parse(JSON.parse(readFileSync(FIXTURE, "utf8")));

/** The example of a header, and of several the one with this member. */
function exampleOf(header: string, member = "x402Version") {
  const example = examples.find((each) => each.header === header && member in each.object);
  if (example === undefined) throw new Error(`the fixture has no ${header} with ${member}`);
  return example;
}

describe("the specification's examples", () => {
  test.each(examples.map((example) => [example.header, example] as const))(
    "%s reads as the object printed beside it, and is written the same way",
    (_header, { text, object }) => {
      expect(decodeHeader(text)).toEqual({ ok: true, value: object });
      expect(encodeHeader(object)).toBe(text);
    },
  );

  test.each([
    ["PAYMENT-SIGNATURE", 2],
    ["X-PAYMENT", 1],
  ])("%s is a payment of version %i", (header, x402Version) => {
    const decoded = decodePayment(new Headers({ [header]: exampleOf(header).text }));
    expect(decoded).toMatchObject({
      kind: "payment",
      payment: {
        x402Version,
        scheme: "exact",
        network: "eip155:84532",
        from: "0x857b06519e91e3a54538791bdbb0e22373e36b66",
        value: 10_000n,
        validAfterMs: 1_740_672_089_000,
        validBeforeMs: 1_740_672_154_000,
      },
    });
  });

  test.each(["PAYMENT-SIGNATURE", "X-PAYMENT"])("%s in the other version's header", (header) => {
    const other = header === "X-PAYMENT" ? "PAYMENT-SIGNATURE" : "X-PAYMENT";
    const decoded = decodePayment(new Headers({ [other]: exampleOf(header).text }));
    expect(decoded).toMatchObject({ kind: "malformed" });
  });

  test.each([
    [2, "PAYMENT-RESPONSE"],
    [1, "X-PAYMENT-RESPONSE"],
  ] as const)("of a settlement, version %i, are what ours says", (version, header) => {
    const { object } = exampleOf(header, "success");
    const { transaction, payer } = settlementSchema.parse(object);
    const [name, text] = settlementHeader(version, {
      success: true,
      summary: {
        transaction,
        network: "eip155:84532",
        payer,
        amountAtomic: 10_000n,
        settledAtMs: 1_740_672_100_000,
      },
    });
    expect(name).toBe(header);
    // v2 has `amount` as an optional member, which the example leaves out.
    const amount = version === 2 ? { amount: "10000" } : {};
    expect(decodeHeader(text)).toEqual({ ok: true, value: { ...object, ...amount } });
  });

  test("of a settlement that failed are what ours says", () => {
    const { object, text } = exampleOf("PAYMENT-RESPONSE", "errorReason");
    const { errorReason, payer } = settlementSchema.parse(object);
    const header = settlementHeader(2, {
      success: false,
      reason: errorReason,
      transaction: null,
      network: "eip155:84532",
      payer,
    });
    expect(header).toEqual(["PAYMENT-RESPONSE", text]);
  });
});

test("a header of more levels than a payment has is refused, one of fewer is read", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
  expect(decodeHeader(btoa(nested(17)))).toEqual({
    ok: false,
    problem: "is nested more than 16 levels deep",
  });
  expect(decodeHeader(btoa(nested(16)))).toMatchObject({ ok: true });
  expect(decodeHeader(btoa(nested(6_000)))).toMatchObject({ ok: false });
});
