import { createMiddleware } from "hono/factory";
import { configOf } from "../config.ts";
import { problem } from "../payment/problems/problem.ts";
import { bearerCredential } from "../tenant/credentials.ts";
import { findOperator } from "../tenant/operators.ts";

/** What handlers behind `requireOperator` find in their context. */
export interface OperatorEnv {
  readonly Bindings: Env;
  /** Name of who asks: everything that is done is on record under it. */
  readonly Variables: { readonly operator: string };
}

/** Lets operators pass. Whoever shows something else, a tenant's key for example, learns nothing more than that. */
export const requireOperator = createMiddleware<OperatorEnv>(async (context, next) => {
  const credential = bearerCredential(context.req.raw);
  if (credential === null) {
    return problem("unauthorized", {
      detail: "Send Authorization: Bearer and the operator token.",
      headers: { "WWW-Authenticate": 'Bearer realm="402claw operator"' },
    });
  }
  const operator = await findOperator(credential, configOf(context.env).operators);
  if (operator === null) return problem("forbidden");
  context.set("operator", operator);
  return next();
});
