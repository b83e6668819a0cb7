import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";

const RUNS = { numRuns: 10_000 };

test("whatever is taken as a tenant is a DNS label and stands in a URL as it is", () => {
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: fc.constantFrom(..."abz019-_./%:\n ".split("")), maxLength: 40 }),
  );
  fc.assert(
    fc.property(hostile, (text) => {
      const tenantId = parseTenantId(text);
      if (tenantId === null) return;
      expect(new URL(`https://${tenantId}.example/t/${tenantId}/x`).href).toBe(
        `https://${text}.example/t/${text}/x`,
      );
      expect(text.includes("--")).toBe(false);
    }),
    RUNS,
  );
});

test("takes every plain word of three letters and more", () => {
  const word = fc.string({
    unit: fc.constantFrom(..."bcdfg0123".split("")),
    minLength: 3,
    maxLength: 32,
  });
  fc.assert(
    fc.property(word, (text) => {
      expect(parseTenantId(text)).toBe(text);
    }),
    RUNS,
  );
});
