/**
 * The product's Worker with two differences: a handler that costs what `@x402/hono`'s costs, and a ledger that can be
 * filled and counted from outside (`/bench/{tenant}/{what}`). The paid path itself is the product's, unchanged.
 */
import { dispatcher } from "../../src/dispatcher/app.ts";
import type { Handler } from "../../src/runtime/handler.ts";
import { parseTenantId } from "../../src/tenant/tenant-id.ts";
import type { BenchLedger } from "./bench-ledger.ts";
import { ANSWER, DELAYED_PATH, DELAY_MS } from "./offer.ts";

export { BenchLedger as SettlementLedger } from "./bench-ledger.ts";
export { FacilitatorHealth } from "../../durable-objects/facilitator-health/facilitator-health.ts";
export { FacilitatorCanary } from "../../durable-objects/facilitator-canary/facilitator-canary.ts";
export { DatasetStore } from "../../durable-objects/dataset-store/dataset-store.ts";
export { DepositSigner } from "../../src/chain/deposit-signer.ts";
export { Egress } from "../../src/runtime/egress/egress.ts";
export { ScriptHost } from "../../src/runtime/script/script-host.ts";

type BenchEnv = Omit<Env, "SETTLEMENT_LEDGER"> & {
  readonly SETTLEMENT_LEDGER: DurableObjectNamespace<BenchLedger>;
};

const HANDLER: Handler = {
  async run() {
    return new Response(ANSWER, { headers: { "Content-Type": "application/json" } });
  },
};
const DELAYED: Handler = {
  async run(request, context) {
    await scheduler.wait(DELAY_MS);
    return await HANDLER.run(request, context);
  },
};
const app = dispatcher((_env, { path }) => (path === DELAYED_PATH ? DELAYED : HANDLER));

export default {
  async fetch(request, env, context): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [, bench, tenant = "", what] = pathname.split("/");
    if (bench !== "bench") return await app.fetch(request, env, context);
    const tenantId = parseTenantId(tenant);
    if (tenantId === null) return new Response("no tenant", { status: 404 });
    const ledger = env.SETTLEMENT_LEDGER.getByName(tenantId);
    const count = Number(searchParams.get("count"));
    switch (what) {
      case "fill":
        await ledger.benchFill(Number(searchParams.get("from")), count);
        break;
      case "claims":
        await ledger.benchClaims(tenantId, count);
        break;
      case "counters":
        break;
      default:
        return new Response("unknown", { status: 404 });
    }
    return Response.json(await ledger.benchCounters());
  },
} satisfies ExportedHandler<BenchEnv>;
