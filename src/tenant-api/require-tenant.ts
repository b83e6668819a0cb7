import { createMiddleware } from "hono/factory";
import { problem } from "../payment/problems/problem.ts";
import { bearerCredential, findTenantByCredential } from "../tenant/credentials.ts";
import type { TenantRecord } from "../tenant/directory/tenants.ts";

/** What handlers behind `requireTenant` find in their context. */
export interface TenantEnv {
  readonly Bindings: Env;
  readonly Variables: { readonly tenant: TenantRecord };
}

/** Lets a tenant pass and tells handlers which one: nothing else in a request ever says whose data is meant. */
export const requireTenant = createMiddleware<TenantEnv>(async (context, next) => {
  const credential = bearerCredential(context.req.raw);
  if (credential === null) {
    return problem("unauthorized", {
      detail: "Send Authorization: Bearer and your API key.",
      headers: { "WWW-Authenticate": 'Bearer realm="402claw"' },
    });
  }
  const tenant = await findTenantByCredential(context.env.DB, credential, Date.now());
  if (tenant === null) {
    return problem("unauthorized", {
      detail: "This API key is not valid.",
      headers: { "WWW-Authenticate": 'Bearer realm="402claw", error="invalid_token"' },
    });
  }
  context.set("tenant", tenant);
  return next();
});
