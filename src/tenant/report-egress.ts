/** Brings what tenants' code moved through egress to their ledgers, where budgets are kept. */
import { ledgerOf } from "../../durable-objects/settlement-ledger/client.ts";
import { type TenantUse, addEgressUses, takeEgressUses } from "./directory/egress-uses.ts";

/** Per sweep; the others wait for the next one. Each is a call of a ledger, of which one invocation has 1,000. */
const SWEEP_LIMIT = 500;

export async function reportEgress(
  env: Pick<Env, "SETTLEMENT_LEDGER">,
  uses: readonly TenantUse[],
): Promise<void> {
  await Promise.all(uses.map(({ tenantId, ...use }) => ledgerOf(env, tenantId).reportEgress(use)));
}

/** Sends on what egress Workers have written down. What a ledger did not take is tried again. */
export async function sweepEgressUses(env: Pick<Env, "SETTLEMENT_LEDGER" | "DB">): Promise<void> {
  for (const use of await takeEgressUses(env.DB, SWEEP_LIMIT)) {
    try {
      await reportEgress(env, [use]);
    } catch {
      await addEgressUses(env.DB, [use]);
    }
  }
}
