/** Whatever name, host or path a request has: it is one tenant's, however it is routed, or nobody's. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { deriveDepositAccount } from "../../src/chain/deposit-account.ts";
import { locateTenant } from "../../src/dispatcher/edge/locate-tenant.ts";
import {
  PAYMENT_ID_RANDOM_BYTES,
  makePaymentId,
  tenantOfPaymentId,
} from "../../src/payment/payment-id.ts";
import { platformOrigin } from "../../src/payment/platform-url.ts";
import { dispatchKey } from "../../src/runtime/script/script-runtime.ts";
import { type TenantId, parseTenantId } from "../../src/tenant/tenant-id.ts";
import { AUTHORITIES, NO_NAMES, VICTIM } from "../support/tenant-name-corpus.ts";

const BASE_DOMAIN = "claw.example";
const HOSTS = { baseDomain: BASE_DOMAIN, adminHost: null };
const RUNS = { numRuns: 5_000 };

/** Whose a URL is, or what else it is. */
function placeOf(url: string): string {
  const location = locateTenant(url, HOSTS);
  return location.found === "tenant" ? location.tenantId : `no tenant: ${location.found}`;
}

const byHost = (name: string) => placeOf(`https://${name}.${BASE_DOMAIN}/items/1`);
const byPath = (name: string) => placeOf(`https://${BASE_DOMAIN}/t/${name}/items/1`);
const isTenant = (place: string) => !place.startsWith("no tenant");

/** Names and near-names: of the corpus, of the grammar's own letters, and of anything. */
const names = fc.oneof(
  fc.constantFrom(...NO_NAMES, VICTIM, "bravo"),
  fc.string({ unit: fc.constantFrom(..."ab0-.A_%/\\@:".split("")), minLength: 1, maxLength: 8 }),
  fc.string({ unit: "binary", maxLength: 6 }).map((text) => `ac${text}me`),
);

test("no name of the corpus is a tenant's", () => {
  expect(NO_NAMES.filter((name) => parseTenantId(name) !== null)).toEqual([]);
});

test("a path gives the tenant that is written in it, letter by letter, or none", () => {
  fc.assert(
    fc.property(names, (name) => {
      const place = byPath(name);
      if (!isTenant(place)) return;
      const [, , written] = `https://${BASE_DOMAIN}/t/${name}`.slice(8).split(/[/?#]/);
      expect(place).toBe(written);
    }),
    RUNS,
  );
});

test("a host gives the tenant of its one label, as a browser would resolve it, or none", () => {
  fc.assert(
    fc.property(names, (name) => {
      const url = `https://${name}.${BASE_DOMAIN}/items/1`;
      const place = placeOf(url);
      const host = URL.parse(url)?.hostname ?? "";
      if (isTenant(place) && host !== BASE_DOMAIN) expect(host).toBe(`${place}.${BASE_DOMAIN}`);
    }),
    RUNS,
  );
});

test("by host and by path a name gives the same tenant, or one of them gives none", () => {
  let both = 0;
  fc.assert(
    fc.property(names, (name) => {
      // These end the authority: what follows is a path, and the host is another one.
      if (/[/\\?#@]/.test(name)) return;
      const places = [byHost(name), byPath(name)].filter(isTenant);
      expect(new Set(places).size).toBeLessThanOrEqual(1);
      if (places.length === 2) both += 1;
    }),
    RUNS,
  );
  expect(both).toBeGreaterThan(100);
});

test("a tenant's host is nobody else's, whatever its path says, and has none of the platform's routes", () => {
  for (const path of [
    "/t/bravo/items/1",
    "/v1/balance",
    "/admin/tenants",
    "/payments/x",
    "//t/b",
  ]) {
    for (const host of ["acme.claw.example", "ACME.claw.example.", "acme.claw.example:8402"]) {
      expect(["acme", "no tenant: invalid_path"]).toContain(placeOf(`https://${host}${path}`));
    }
  }
});

test("the tenant of an authority is the one its host parser finds below the base domain", () => {
  const found = AUTHORITIES.filter((authority) => {
    const url = `https://${authority}/items/1`;
    const place = placeOf(url);
    const host = URL.parse(url)?.hostname.replace(/\.+$/, "") ?? "";
    expect(isTenant(place)).toBe(
      parseTenantId(host.split(".")[0] ?? "") !== null &&
        host === `${host.split(".")[0]}.${BASE_DOMAIN}`,
    );
    if (isTenant(place)) {
      expect(host).toBe(`${place}.${BASE_DOMAIN}`);
      expect(new URL(platformOrigin(url, HOSTS)).hostname).toBe(BASE_DOMAIN);
    }
    return isTenant(place);
  });
  expect(found.length).toBeGreaterThan(8);
});

const tenantIds = fc
  .string({ unit: fc.constantFrom("a", "b", "0", "-"), minLength: 3, maxLength: 7 })
  .map(parseTenantId)
  .filter((tenantId) => tenantId !== null);

test("two tenants share no key of code and no id of a payment", () => {
  const version = "0".repeat(64);
  const random = new Uint8Array(PAYMENT_ID_RANDOM_BYTES);
  const namesOf = (tenantId: TenantId) => [
    dispatchKey({ environment: "production", tenantId, version }),
    makePaymentId("pay", tenantId, 0, random),
  ];
  fc.assert(
    fc.property(tenantIds, tenantIds, (one, other) => {
      const others = namesOf(other);
      for (const [index, name] of namesOf(one).entries()) {
        expect(name === others[index]).toBe(one === other);
      }
      expect(tenantOfPaymentId(makePaymentId("pay", one, 0, random))).toBe(one);
    }),
    RUNS,
  );
});

test("two serial numbers have two deposit accounts, in every environment", async () => {
  const seed = new Uint8Array(32).fill(7);
  const addresses = new Set<string>();
  for (const environment of ["local", "staging", "production"]) {
    for (let serial = 1; serial <= 100; serial += 1) {
      addresses.add((await deriveDepositAccount(seed, environment, serial)).address);
    }
  }
  expect(addresses.size).toBe(300);
});
