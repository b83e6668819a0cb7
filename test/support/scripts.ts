/** Scripts as tenants write them. */
import type { ScriptBundle } from "../../src/contracts/script.ts";
import { call, type TestTenant } from "./control-plane.ts";

/** A bundle of one module. */
export function singleModule(source: string, main = "score.js"): ScriptBundle {
  return { main, modules: { [main]: { type: "esm", content: source } } };
}

/** A script whose `fetch` has this body; it sees `request`, `env` and `context`. */
export function handlerSource(body: string): string {
  return `export default { async fetch(request, env, context) { ${body} } };`;
}

/** Adds up what it is sent, with a module and two assets of its own. */
export const SCORE: ScriptBundle = {
  main: "score.js",
  modules: {
    "score.js": {
      type: "esm",
      content: `import { sum } from "./lib/sum.js";
import weights from "./weights.json";
import motto from "./assets/motto.txt";
export default {
  async fetch(request) {
    const values = await request.json();
    return Response.json({ score: sum(values.map((value) => value * weights.factor)), motto });
  },
};`,
    },
    "lib/sum.js": {
      type: "esm",
      content: "export const sum = (values) => values.reduce((one, other) => one + other, 0);",
    },
    "weights.json": { type: "json", content: '{"factor": 2}' },
    "assets/motto.txt": { type: "text", content: "count on it" },
  },
};

export async function uploadScript(
  { apiKey }: Pick<TestTenant, "apiKey">,
  name: string,
  body: unknown,
  contentType = "application/json",
): Promise<Response> {
  return call(`PUT /v1/scripts/${name}`, {
    credential: apiKey,
    headers: { "Content-Type": contentType },
    body,
  });
}
