import { expect, test } from "vitest";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";

test.each(["acme", "a1b", "data-of-acme", "0x1", "a".repeat(32)])("takes %s", (text) => {
  expect(parseTenantId(text)).toBe(text);
});

test.each([
  ["empty", ""],
  ["too short", "ab"],
  ["too long", "a".repeat(33)],
  ["upper case", "Acme"],
  ["a leading hyphen", "-acme"],
  ["a trailing hyphen", "acme-"],
  ["a double hyphen", "ac--me"],
  ["an internationalised label", "xn--acme"],
  ["a reserved word", "admin"],
  ["another reserved word", "payments"],
  ["a dot", "ac.me"],
  ["a slash", "acme/other"],
  ["a traversal", "../acme"],
  ["an encoded slash", "acme%2fother"],
  ["an underscore", "ac_me"],
  ["a space", "ac me"],
  ["a newline at the end", "acme\n"],
  ["a null character", "acme\u0000"],
  ["a look-alike letter", "аcme"],
  ["a full-width letter", "ａcme"],
  ["a quote for SQL", "acme' OR '1'='1"],
  ["a name of the object's prototype", "__proto__"],
])("refuses %s", (_what, text) => {
  expect(parseTenantId(text)).toBeNull();
});
