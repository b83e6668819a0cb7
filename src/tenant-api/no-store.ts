import { createMiddleware } from "hono/factory";

/** Answers to a credential are for whoever showed it: no cache may keep them. */
export const noStore = createMiddleware(async (context, next) => {
  await next();
  context.header("Cache-Control", "no-store");
});
