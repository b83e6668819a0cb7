import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decideEgress, isAllowedHostEntry } from "../../src/runtime/egress/policy.ts";

const PLATFORM_HOSTS = ["402claw.example"];

/** One IPv4 address in a random one of the spellings that the URL standard knows. */
const ipv4Spelling = fc
  .tuple(fc.nat(0xff_ff_ff_ff), fc.constantFrom(1, 2, 3, 4), fc.infiniteStream(fc.nat(2)))
  .map(([address, parts, radixes]) => {
    const tailBits = 8 * (5 - parts);
    const numbers = Array.from({ length: parts - 1 }, (_, index) =>
      Number((BigInt(address) >> BigInt(24 - 8 * index)) & 0xffn),
    );
    numbers.push(Number(BigInt(address) & ((1n << BigInt(tailBits)) - 1n)));
    const spell = (number: number) => {
      const radix = radixes.next().value;
      if (radix === 0) return String(number);
      return radix === 1 ? `0x${number.toString(16)}` : `0${number.toString(8)}`;
    };
    return numbers.map(spell).join(".");
  });

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const publicName = fc
  .array(label, { minLength: 1, maxLength: 4 })
  .map((labels) => [...labels, "example"].join("."))
  .filter((name) => isAllowedHostEntry(name) && name !== "402claw.example");

test("an address is refused in every spelling, whatever is listed", () => {
  fc.assert(
    fc.property(ipv4Spelling, (spelling) => {
      const url = URL.parse(`https://${spelling}/`);
      const allowedHosts = [spelling, url?.host ?? "", `*.${spelling}`];
      expect(decideEgress(`https://${spelling}/`, { allowedHosts, platformHosts: [] })).toEqual({
        verdict: "denied",
        reason: "address_literal",
      });
    }),
    { numRuns: 2_000 },
  );
});

test("an IPv6 address is refused, whatever is listed", () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const allowedHosts = [`[${address}]`, URL.parse(`https://[${address}]/`)?.host ?? ""];
      const decision = decideEgress(`https://[${address}]/`, { allowedHosts, platformHosts: [] });
      expect(decision).toEqual({ verdict: "denied", reason: "address_literal" });
    }),
    { numRuns: 1_000 },
  );
});

test("whatever is allowed is https, without credentials, at a host and port that is listed", () => {
  const text = fc.oneof(
    fc.webUrl({ validSchemes: ["https", "http"], withQueryParameters: true }),
    fc.string({ unit: "grapheme" }).map((host) => `https://${host}/`),
    fc.string({ unit: "binary" }),
    publicName.map((name) => `https://${name}/`),
  );
  fc.assert(
    fc.property(text, fc.array(publicName, { maxLength: 3 }), (target, allowedHosts) => {
      const decision = decideEgress(target, { allowedHosts, platformHosts: PLATFORM_HOSTS });
      if (decision.verdict === "denied") return;
      const { url } = decision;
      expect(url.protocol).toBe("https:");
      expect(url.username + url.password).toBe("");
      expect(allowedHosts).toContain(url.host);
    }),
    { numRuns: 2_000 },
  );
});

test("a listed name is allowed, a name that only contains it is not", () => {
  fc.assert(
    fc.property(publicName, label, (name, other) => {
      const policy = { allowedHosts: [name], platformHosts: PLATFORM_HOSTS };
      const verdict = (host: string) => decideEgress(`https://${host}/`, policy).verdict;
      expect(verdict(name)).toBe("allowed");
      expect(verdict(`${other}.${name}`)).toBe("denied");
      expect(verdict(`${other}${name}`)).toBe("denied");
      expect(verdict(`${name}.${other}`)).toBe("denied");
    }),
    { numRuns: 1_000 },
  );
});

test("a wildcard covers what is below it, and neither itself nor its neighbours", () => {
  fc.assert(
    fc.property(publicName, label, (name, other) => {
      const policy = { allowedHosts: [`*.${name}`], platformHosts: PLATFORM_HOSTS };
      const verdict = (host: string) => decideEgress(`https://${host}/`, policy).verdict;
      expect(verdict(`${other}.${name}`)).toBe("allowed");
      expect(verdict(`${other}.${other}.${name}`)).toBe("allowed");
      expect(verdict(name)).toBe("denied");
      expect(verdict(`${other}${name}`)).toBe("denied");
    }),
    { numRuns: 1_000 },
  );
});
