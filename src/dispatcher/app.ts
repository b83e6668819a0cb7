import { Hono } from "hono";

/** The dispatcher: every HTTP request enters here. */
const app = new Hono<{ Bindings: Env }>();

app.get("/healthz", (context) => context.json({ status: "ok" }));

export default app;
