/** What tenants' code moves through egress gets to their ledgers, from an isolate without and with a database. */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { UseLog } from "../../src/runtime/egress/use-log.ts";
import { hostedScripts } from "../../src/runtime/script/hosted-scripts.ts";
import { ANSWERED, OUTCOME_FIELD, USES_FIELD } from "../../src/runtime/script/host-messages.ts";
import type { TenantUse } from "../../src/tenant/directory/egress-uses.ts";
import { sweepEgressUses } from "../../src/tenant/report-egress.ts";
import { LedgerCalls } from "../support/ledger-calls.ts";

const NOWHERE = { db: undefined, waitUntil: () => undefined };

async function usageOf({ ledger }: LedgerCalls) {
  const { day } = (await ledger.readContainment()).usage;
  return { egressBytes: day.egressBytes, subrequests: day.subrequests };
}

test("with a database it is written in one bundle, and a sweep takes it to each ledger once", async () => {
  const [one, other] = [new LedgerCalls(), new LedgerCalls()];
  const work: Promise<unknown>[] = [];
  const sink = { db: env.DB, waitUntil: (promise: Promise<unknown>) => void work.push(promise) };
  const log = new UseLog();
  for (let count = 0; count < 3; count += 1) {
    log.add(one.tenantId, { subrequests: 1 }, sink);
    log.add(one.tenantId, { egressBytes: 1_000 }, sink);
  }
  log.add(other.tenantId, { subrequests: 1 }, sink);
  log.add("no tenant's name", { subrequests: 1 }, sink);
  expect(work).toHaveLength(1);
  await Promise.all(work);
  await sweepEgressUses(env);
  await sweepEgressUses(env);
  expect(await usageOf(one)).toEqual({ egressBytes: 3_000, subrequests: 3 });
  expect(await usageOf(other)).toEqual({ egressBytes: 0, subrequests: 1 });
});

test("without one it travels with the next answer of the script host, and no further", async () => {
  const { tenantId } = new LedgerCalls();
  const log = new UseLog();
  log.add(tenantId, { subrequests: 2, egressBytes: 7 }, NOWHERE);
  const reported: TenantUse[] = [];
  const headers = {
    [OUTCOME_FIELD]: ANSWERED,
    [USES_FIELD]: JSON.stringify(log.take()),
  };
  const scripts = hostedScripts({
    host: { fetch: async () => new Response("scored", { headers }) },
    token: "",
    readCode: async () => null,
    onUses: (uses) => reported.push(...uses),
  });
  const outcome = await scripts.run(
    {
      ref: { environment: "local", tenantId, version: "5c".repeat(32) },
      limits: { cpuMs: 10, subRequests: 10, deadlineMs: 1_000 },
      egress: { tenantId, allowedHosts: [], maxSubrequests: 10, maxBytes: 10 },
    },
    new Request("https://acme/score"),
  );
  expect(reported).toEqual([{ tenantId, subrequests: 2, egressBytes: 7 }]);
  expect(log.take()).toEqual([]);
  if (outcome.result !== "answered") throw new Error(`it was ${outcome.result}`);
  expect(outcome.response.headers.has(USES_FIELD)).toBe(false);
});
