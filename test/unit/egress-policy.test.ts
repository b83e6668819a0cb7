/** The egress policy against the corpus of tricks, and against whatever can be generated. */
import { describe, expect, test } from "vitest";
import { decideEgress, isAllowedHostEntry } from "../../src/runtime/egress/policy.ts";
import { CORPUS_POLICY, SSRF_CORPUS } from "../support/ssrf-corpus.ts";

const EDITABLE = new Set(["host_not_allowed", "port_not_allowed", "allowed"]);

function verdictOf(target: string, policy = CORPUS_POLICY): string {
  const decision = decideEgress(target, policy);
  return decision.verdict === "allowed" ? "allowed" : decision.reason;
}

describe("the corpus", () => {
  test("has at least 150 tricks, each once", () => {
    const targets = SSRF_CORPUS.map(([target]) => target);
    expect(targets.length).toBeGreaterThanOrEqual(150);
    expect(new Set(targets).size).toBe(targets.length);
  });

  test.each(SSRF_CORPUS)("%j is %s", (target, verdict) => {
    expect(verdictOf(target)).toBe(verdict);
  });

  test("what is refused by its nature stays refused when the tenant lists it", () => {
    const opened = SSRF_CORPUS.filter(([target, verdict]) => {
      if (EDITABLE.has(verdict)) return false;
      const url = URL.parse(target);
      const named = url === null ? [] : [url.host, url.hostname, `*.${url.hostname}`];
      return verdictOf(target, { ...CORPUS_POLICY, allowedHosts: named }) === "allowed";
    });
    expect(opened).toEqual([]);
  });

  test("nothing is allowed to a tenant that listed nothing", () => {
    const nothing = { ...CORPUS_POLICY, allowedHosts: [] };
    const opened = SSRF_CORPUS.filter(([target]) => verdictOf(target, nothing) === "allowed");
    expect(opened).toEqual([]);
  });
});

describe("an entry of an allow-list", () => {
  test.each(["api.example.com", "*.example.com", "api.example.com:8443", "xn--bcher-kva.example"])(
    "may be %s",
    (entry) => expect(isAllowedHostEntry(entry)).toBe(true),
  );

  test.each([
    "",
    "*",
    "*.",
    "*.com",
    "com",
    "*.*.example.com",
    "a.*.example.com",
    "API.example.com",
    "bücher.example",
    "api.example.com.",
    "api.example.com/",
    "api.example.com:443",
    "api.example.com:",
    "https://api.example.com",
    "user@api.example.com",
    "api.example.com?x",
    "127.0.0.1",
    "2130706433",
    "[::1]",
    "localhost",
    "*.internal",
    "*.google.internal",
    "*.nip.io",
    "nip.io",
  ])("may not be %j", (entry) => expect(isAllowedHostEntry(entry)).toBe(false));
});
