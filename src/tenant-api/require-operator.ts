import { createMiddleware } from "hono/factory";
import { configOf } from "../config.ts";
import { problem } from "../payment/problem.ts";
import { bearerCredential, isSameSecret } from "../tenant/credentials.ts";

/** Lets operators pass. Whoever shows something else, a tenant's key for example, learns nothing more than that. */
export const requireOperator = createMiddleware<{ Bindings: Env }>(async (context, next) => {
  const credential = bearerCredential(context.req.raw);
  if (credential === null) {
    return problem("unauthorized", {
      detail: "Send Authorization: Bearer and the operator token.",
      headers: { "WWW-Authenticate": 'Bearer realm="402claw operator"' },
    });
  }
  if (!(await isSameSecret(credential, configOf(context.env).operatorToken))) {
    return problem("forbidden");
  }
  return next();
});
