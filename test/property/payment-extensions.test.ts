/** Whatever a client sends as extensions or as a sign-in: it is taken, or refused, and nothing breaks. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import * as z from "zod";
import { changedExtension, echoedExtensionsSchema } from "../../src/payment/extensions/echo.ts";
import { sampleOf } from "../../src/payment/extensions/schema-sample.ts";
import { checkSignIn } from "../../src/payment/extensions/sign-in-with-x.ts";
import { encodeHeader } from "../../src/payment/header-codec.ts";

const PLACE = {
  tenantId: "acme",
  uri: new URL("https://acme.402claw.example/cities"),
  secret: "a-secret-of-the-tests-that-is-long-enough",
};
const json = fc.json({ maxDepth: 6 }).map((text) => z.json().parse(JSON.parse(text)));
const object = fc.dictionary(fc.string({ maxLength: 70 }), json, { maxKeys: 20 });

/** Proofs that are right in most of their parts. */
const proof = fc.record(
  {
    domain: fc.oneof(fc.constant(PLACE.uri.host), fc.string()),
    uri: fc.oneof(fc.constant(PLACE.uri.href), fc.string()),
    chainId: fc.oneof(fc.constant("eip155:84532"), fc.string()),
    address: fc.oneof(fc.constant(`0x${"ab".repeat(20)}`), fc.string()),
    nonce: fc.stringMatching(/^[0-9a-f]{32}$/),
    issuedAt: fc.oneof(
      fc.constant("9999-12-31T23:59:59.999Z"),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.string({ minLength: 24, maxLength: 24 }),
    ),
    signature: fc.stringMatching(/^0x[0-9a-f]{130}$/),
  },
  { requiredKeys: [] },
);

test("no sign-in breaks the check, and none that we did not challenge passes it", async () => {
  const header = fc.oneof(fc.string(), json.map(encodeHeader), proof.map(encodeHeader));
  await fc.assert(
    fc.asyncProperty(header, fc.nat(), async (text, nowMs) => {
      expect((await checkSignIn(text, PLACE, ["eip155:84532"], nowMs)).ok).toBe(false);
    }),
  );
});

test("no extensions break the comparison, and what was not touched has not changed", () => {
  fc.assert(
    fc.property(object, object, (told, echoed) => {
      const parsed = echoedExtensionsSchema.safeParse(echoed);
      if (parsed.success) changedExtension(told, parsed.data);
      const untouched = echoedExtensionsSchema.safeParse(
        Object.fromEntries(Object.entries(told).map(([key, info]) => [key, { info }])),
      );
      if (untouched.success) expect(changedExtension(told, untouched.data)).toBeNull();
    }),
  );
});

test("every schema has a sample", () => {
  fc.assert(
    fc.property(object, (schema) => {
      expect(JSON.stringify(sampleOf(schema))).toBeDefined();
    }),
  );
});
