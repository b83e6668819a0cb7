/**
 * One code behind two paths: `/direct` calls it where it is, as the platform's own code, and `/script/{tenant}/{version}`
 * through the product's handler of scripts, as a tenant's. Nobody pays: what a payment costs is measured elsewhere.
 */
import type { Route } from "../../src/contracts/snapshot.ts";
import { RunMeter } from "../../src/runtime/run-meter.ts";
import { type ScriptHandlerEnv, scriptHandler } from "../../src/runtime/script/script-handler.ts";
import { dispatchKey } from "../../src/runtime/script/script-runtime.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { tenantIdSchema } from "../../src/tenant/tenant-id.ts";
import { routeOf } from "./bench-route.ts";
import soldScript from "./sold-script.ts";

export { Egress } from "../../src/runtime/egress/egress.ts";
export { ScriptHost } from "../../src/runtime/script/script-host.ts";

const { limits } = PLANS.scale;

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const [, kind, tenant, version = ""] = pathname.split("/");
    if (kind === "direct") return soldScript.fetch(request);
    const tenantId = tenantIdSchema.parse(tenant);
    const handler = {
      kind: "script",
      script: "sold.js",
      version,
      dispatchKey: dispatchKey({ environment: env.ENVIRONMENT, tenantId, version }),
      allowedHosts: [],
    } satisfies Route["handler"];
    return await scriptHandler(env, handler).run(
      new Request(`https://${tenantId}/sold${search}`, request),
      {
        tenantId,
        limits,
        route: routeOf("/sold", "after", handler),
        params: {},
        paymentId: "pay_bench",
        payer: `0x${"11".repeat(20)}`,
        idempotencyKey: "bench",
        secrets: {},
        meter: new RunMeter(limits.cpuMs),
      },
    );
  },
} satisfies ExportedHandler<ScriptHandlerEnv>;
