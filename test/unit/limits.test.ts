/** What is in force for a tenant, of its plan and its overrides. */
import { expect, test } from "vitest";
import { CLAIM_LEASE_MS } from "../../durable-objects/settlement-ledger/ledger.ts";
import { tenantSnapshotSchema } from "../../src/contracts/snapshot.ts";
import { CEILINGS, effectiveLimits, LIMIT_NAMES } from "../../src/tenant/limits.ts";
import { PLANS } from "../../src/tenant/plans.ts";

const NOW_MS = Date.parse("2026-11-23T12:00:00Z");
const SNAPSHOT = {
  tenantId: "acme",
  serial: 1,
  plan: "free",
  payTo: `0x${"ab".repeat(20)}`,
  network: "eip155:84532",
  version: 0,
  deploymentId: null,
  routes: [],
} as const;

test("without overrides the plan's limits are in force", () => {
  for (const plan of Object.values(PLANS)) {
    expect(effectiveLimits({ plan: plan.id, limitOverrides: [] }, NOW_MS)).toEqual(plan.limits);
  }
});

test("an override raises what it names and nothing else, until the millisecond it expires", () => {
  const limitOverrides = [{ limits: { cpuMs: 500 }, expiresAtMs: NOW_MS }];
  const raised = { ...PLANS.free.limits, cpuMs: 500 };
  expect(effectiveLimits({ plan: "free", limitOverrides }, NOW_MS - 1)).toEqual(raised);
  expect(effectiveLimits({ plan: "free", limitOverrides }, NOW_MS)).toEqual(PLANS.free.limits);
});

test("of several overrides the highest value counts, and one without an end stays", () => {
  const limitOverrides = [
    { limits: { cpuMs: 500, subRequests: 20 }, expiresAtMs: null },
    { limits: { cpuMs: 400, subRequests: 30 }, expiresAtMs: NOW_MS + 1 },
  ];
  const at = (nowMs: number) => effectiveLimits({ plan: "free", limitOverrides }, nowMs);
  expect(at(NOW_MS)).toMatchObject({ cpuMs: 500, subRequests: 30 });
  expect(at(NOW_MS + 1)).toMatchObject({ cpuMs: 500, subRequests: 20 });
});

test("an override below the plan that its tenant has by now lowers nothing", () => {
  const limitOverrides = [{ limits: { cpuMs: 60 }, expiresAtMs: null }];
  expect(effectiveLimits({ plan: "scale", limitOverrides }, NOW_MS)).toEqual(PLANS.scale.limits);
});

test("a ceiling holds whatever a snapshot says", () => {
  const limitOverrides = [{ limits: { cpuMs: CEILINGS.cpuMs + 1 }, expiresAtMs: null }];
  expect(effectiveLimits({ plan: "free", limitOverrides }, NOW_MS).cpuMs).toBe(CEILINGS.cpuMs);
});

test("each plan gives at least what the one below it gives, and no ceiling is below a plan", () => {
  for (const name of LIMIT_NAMES) {
    const values = [PLANS.free, PLANS.pro, PLANS.scale].map(({ limits }) => limits[name]);
    const rising = [0, ...values, CEILINGS[name]].toSorted((one, other) => one - other);
    expect([name, 0, ...values, CEILINGS[name]]).toEqual([name, ...rising]);
  }
});

test("a handler's deadline fits into a claim with time to verify, and a script's into its handler's", () => {
  expect(CEILINGS.handlerDeadlineMs).toBeLessThanOrEqual(CLAIM_LEASE_MS / 2);
  for (const { limits } of Object.values(PLANS)) {
    expect(limits.scriptDeadlineMs).toBeLessThan(limits.handlerDeadlineMs);
  }
  expect(CEILINGS.scriptDeadlineMs).toBeLessThan(CEILINGS.handlerDeadlineMs);
});

test("snapshots from before overrides, and with limits of a later version, can be read", () => {
  expect(tenantSnapshotSchema.parse(SNAPSHOT).limitOverrides).toEqual([]);
  const limitOverrides = [{ limits: { cpuMs: 500, later: 1 }, expiresAtMs: null }];
  expect(tenantSnapshotSchema.parse({ ...SNAPSHOT, limitOverrides }).limitOverrides).toEqual([
    { limits: { cpuMs: 500 }, expiresAtMs: null },
  ]);
});
