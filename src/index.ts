/** Worker entry: the dispatcher, the alerts' queue and sweep, and the classes the runtime instantiates by name. */
import { consumeAlertQueue } from "./alerts/consume-queue.ts";
import { sweepDeliveries } from "./alerts/sweep-deliveries.ts";
import { facilitatorCanaryOf } from "../durable-objects/facilitator-canary/client.ts";
import { configOf } from "./config.ts";
import { dispatcher } from "./dispatcher/app.ts";
import { handlerOf } from "./dispatcher/handlers.ts";

export { SettlementLedger } from "../durable-objects/settlement-ledger/settlement-ledger.ts";
export { FacilitatorHealth } from "../durable-objects/facilitator-health/facilitator-health.ts";
export { FacilitatorCanary } from "../durable-objects/facilitator-canary/facilitator-canary.ts";
export { DatasetStore } from "../durable-objects/dataset-store/dataset-store.ts";
export { DepositSigner } from "./chain/deposit-signer.ts";
export { ScriptHost } from "./runtime/script/script-host.ts";
export { Egress } from "./runtime/egress/egress.ts";

const app = dispatcher(handlerOf);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
  queue: (batch, env) => consumeAlertQueue(batch, env),
  scheduled: async (controller, env) => {
    await sweepDeliveries(env, controller.scheduledTime);
    // Looking is what starts it, once.
    if (configOf(env).canary !== null) await facilitatorCanaryOf(env).view();
  },
} satisfies ExportedHandler<Env>;
