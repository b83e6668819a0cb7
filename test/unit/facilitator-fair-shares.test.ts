import { describe, expect, it } from "vitest";
import { FairShares } from "../../src/facilitator/fair-shares.ts";

const START_MS = 1_800_000_000_000;

/** How many of `wanted` calls each tenant gets in a second, asking in turn. */
function serve(
  shares: FairShares,
  wanted: Readonly<Record<string, number>>,
  nowMs: number,
): Record<string, number> {
  const served = Object.fromEntries(Object.keys(wanted).map((tenant) => [tenant, 0]));
  for (let round = 0; round < Math.max(...Object.values(wanted)); round += 1) {
    for (const [tenant, count] of Object.entries(wanted)) {
      if (round < count && shares.admit(tenant, nowMs)) {
        served[tenant] = (served[tenant] ?? 0) + 1;
      }
    }
  }
  return served;
}

/** Limited at forty calls a second: twenty are left. */
function limited(): FairShares {
  const shares = new FairShares();
  serve(shares, { busy: 39, quiet: 1 }, START_MS);
  shares.limited(START_MS + 10);
  return shares;
}

describe("FairShares", () => {
  it("lets everything through while nobody limits us", () => {
    expect(serve(new FairShares(), { busy: 10_000 }, START_MS)).toEqual({ busy: 10_000 });
  });

  it("halves the rate at a 429, and takes those of one second for one", () => {
    const shares = limited();
    for (let count = 0; count < 5; count += 1) shares.limited(START_MS + 20 + count);
    const { busy } = serve(shares, { busy: 100 }, START_MS + 1_000);
    expect(busy).toBeGreaterThanOrEqual(19);
    expect(busy).toBeLessThanOrEqual(22);
  });

  it("divides the limit equally between tenants that all want more", () => {
    const served = serve(limited(), { busy: 100, quiet: 100 }, START_MS + 1_000);
    expect(served).toEqual({ busy: 11, quiet: 11 });
  });

  it("keeps a quiet tenant's share free, however early the busy one comes", () => {
    const shares = limited();
    const { busy = 0 } = serve(shares, { busy: 100 }, START_MS + 1_000);
    expect(busy).toBeLessThan(22);
    expect(serve(shares, { quiet: 5 }, START_MS + 1_100)).toEqual({ quiet: 5 });
  });

  it("grants every tenant one call a second, however many there are", () => {
    const shares = limited();
    const tenants = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`t${index}`, 3]));
    const served = Object.values(serve(shares, tenants, START_MS + 1_000));
    expect(served.every((count) => count >= 1)).toBe(true);
  });

  it("gives the rate back slowly, and forgets the limit after half a minute", () => {
    const shares = limited();
    const rates: number[] = [];
    for (let second = 1; second <= 31; second += 1) {
      rates.push(serve(shares, { busy: 1_000 }, START_MS + second * 1_000)["busy"] ?? 0);
    }
    const growing = rates.slice(1, 29);
    expect(growing.every((rate, index) => index === 0 || rate >= (growing[index - 1] ?? 0))).toBe(
      true,
    );
    expect(growing.at(-1)).toBeLessThan(1_000);
    expect(rates.at(-1)).toBe(1_000);
  });
});
