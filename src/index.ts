/** Worker entry: the dispatcher, the alerts' queue, the sweeps, and the classes the runtime instantiates by name. */
import { consumeAlertQueue } from "./alerts/consume-queue.ts";
import { sweepDeliveries } from "./alerts/sweep-deliveries.ts";
import { facilitatorCanaryOf } from "../durable-objects/facilitator-canary/client.ts";
import { configOf } from "./config.ts";
import { dispatcher } from "./dispatcher/app.ts";
import { handlerOf } from "./dispatcher/handlers.ts";
import { sweepEgressUses } from "./tenant/report-egress.ts";
import { sweepWalletChanges } from "./tenant/wallet-changes.ts";
import { sweepDeletedTenants } from "./tenant/empty-tenant.ts";

export { SettlementLedger } from "../durable-objects/settlement-ledger/settlement-ledger.ts";
export { FacilitatorHealth } from "../durable-objects/facilitator-health/facilitator-health.ts";
export { FacilitatorCanary } from "../durable-objects/facilitator-canary/facilitator-canary.ts";
export { DatasetStore } from "../durable-objects/dataset-store/dataset-store.ts";
export { ScriptHost } from "./runtime/script/script-host.ts";
export { Egress } from "./runtime/egress/egress.ts";

const app = dispatcher(handlerOf);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
  queue: (batch, env) => consumeAlertQueue(batch, env),
  scheduled: async (controller, env) => {
    await sweepDeliveries(env, controller.scheduledTime);
    await sweepWalletChanges(env, controller.scheduledTime);
    await sweepDeletedTenants(env, controller.scheduledTime);
    await sweepEgressUses(env);
    // Looking is what starts it, once.
    if (configOf(env).canary !== null) await facilitatorCanaryOf(env).view();
  },
} satisfies ExportedHandler<Env>;
