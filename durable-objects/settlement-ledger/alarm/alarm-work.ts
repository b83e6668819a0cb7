import type { ChainReader, DepositReader } from "../../../src/chain/port.ts";
import { forwardAlerts } from "./alert-forwarding.ts";
import { isDirect, openedAtMs } from "./directory-facts.ts";
import { type LedgerParts, drainDependencies } from "./drain-dependencies.ts";
import { drainDue } from "./drain.ts";
import { reconcile } from "./reconcile.ts";

/** Responses, and superseded payments, removed per alarm; the bucket deletes up to 1,000 objects in one call. */
const SWEEP_LIMIT = 500;

export interface AlarmParts extends LedgerParts {
  readonly chains: ReadonlyMap<string, ChainReader & DepositReader>;
  readonly env: Env;
  readonly newDepositId: () => string;
}

const now = () => Date.now();

/** All that an alarm of the ledger does. Throws when something broke: what is left is still due. */
export async function alarmWork(parts: AlarmParts): Promise<void> {
  const { ledger, store, tenantId, chains, env, newDepositId } = parts;
  store.usage.save();
  await drainDue(drainDependencies(parts));
  await reconcile({
    store,
    chainOf: (network) => chains.get(network) ?? null,
    isDirect: () => isDirect(env.DB, tenantId),
    openedAtMs: () => openedAtMs(env.DB, tenantId),
    newDepositId,
    now,
  });
  await forwardAlerts(store.alerts, env, tenantId, now);
  await sweepResponses(parts);
  ledger.removeSuperseded(SWEEP_LIMIT, now());
}

/** Bodies in the bucket are deleted after the rows say so: a crash in between deletes them again. */
async function sweepResponses({ ledger, env }: AlarmParts): Promise<void> {
  const context = { nowMs: Date.now(), jitter: Math.random() };
  const objects = ledger.removeExpiredResponses(SWEEP_LIMIT, context);
  if (objects.length === 0) return;
  await env.RESPONSES.delete(objects.map(({ objectKey }) => objectKey));
  ledger.forgetObjects(objects);
}
