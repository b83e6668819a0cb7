/** No two tenants, environments or versions share a name in a dispatch namespace. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { dispatchKey, type ScriptRef } from "../../src/runtime/script/script-runtime.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";

/** Names of few letters and many hyphens, so that parts could be mistaken for one another if they ever can. */
const tenantIds = fc
  .string({ unit: fc.constantFrom("a", "b", "0", "-"), minLength: 3, maxLength: 8 })
  .map(parseTenantId)
  .filter((tenantId) => tenantId !== null);
const environments = fc.constantFrom("a", "b", "a-b", "production", "staging", "a-0");
const versions = fc.string({ unit: fc.constantFrom("a", "0"), minLength: 64, maxLength: 64 });
const refs = fc.record({ environment: environments, tenantId: tenantIds, version: versions });

const sameRef = (one: ScriptRef, other: ScriptRef) =>
  one.environment === other.environment &&
  one.tenantId === other.tenantId &&
  one.version === other.version;

test("two references have one key only if they are the same", () => {
  fc.assert(
    fc.property(refs, refs, (one, other) => {
      expect(dispatchKey(one) === dispatchKey(other)).toBe(sameRef(one, other));
    }),
    { numRuns: 2_000 },
  );
});

test("an environment whose name could be part of another key is refused", () => {
  const [ref] = fc.sample(refs, 1);
  if (ref === undefined) throw new Error("there is a sample");
  for (const environment of ["", "a--b", "-a", "a-", "A", "a/b", "a.b", "a\n"]) {
    expect(() => dispatchKey({ ...ref, environment })).toThrow(RangeError);
  }
});
