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
    // A quarter more after a second, less what the quiet one may want.
    expect(busy).toBe(23);
  });

  it("divides the limit equally between tenants that all want more", () => {
    const served = serve(limited(), { busy: 100, quiet: 100 }, START_MS + 1_000);
    expect(served).toEqual({ busy: 13, quiet: 12 });
  });

  it("keeps a quiet tenant's share free, however early the busy one comes", () => {
    const shares = limited();
    const { busy = 0 } = serve(shares, { busy: 100 }, START_MS + 1_000);
    expect(busy).toBeLessThan(25);
    expect(serve(shares, { quiet: 5 }, START_MS + 1_100)).toEqual({ quiet: 5 });
  });

  it("grants every tenant one call a second, however many there are", () => {
    const shares = limited();
    const tenants = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`t${index}`, 3]));
    const served = Object.values(serve(shares, tenants, START_MS + 1_000));
    expect(served.every((count) => count >= 1)).toBe(true);
  });

  it("gives the rate back within seconds, a quarter more each, and then forgets the limit", () => {
    const shares = limited();
    const rates: number[] = [];
    for (let second = 1; second <= 8; second += 1) {
      rates.push(serve(shares, { busy: 1_000 }, START_MS + second * 1_000)["busy"] ?? 0);
    }
    expect(rates).toEqual([23, 31, 38, 47, 58, 72, 1_000, 1_000]);
  });

  it("gives it back while nobody calls, too", () => {
    expect(serve(limited(), { busy: 1_000 }, START_MS + 10_000)).toEqual({ busy: 1_000 });
  });

  it("takes nothing from a quiet edge for one 429", () => {
    const shares = new FairShares();
    expect(shares.admit("quiet", START_MS)).toBe(true);
    shares.limited(START_MS + 10);
    expect(serve(shares, { quiet: 4, other: 2 }, START_MS + 1_000)).toEqual({ quiet: 4, other: 2 });
    expect(serve(shares, { quiet: 100 }, START_MS + 5_000)).toEqual({ quiet: 100 });
  });

  it("goes down to a call or two a second when the 429s go on", () => {
    const shares = limited();
    const rates: number[] = [];
    for (let second = 1; second <= 8; second += 1) {
      const nowMs = START_MS + second * 1_000;
      rates.push(serve(shares, { busy: 100 }, nowMs)["busy"] ?? 0);
      shares.limited(nowMs + 20);
    }
    expect(rates).toEqual([23, 15, 8, 5, 3, 2, 2, 2]);
  });
});
