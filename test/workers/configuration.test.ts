import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { dispatcher } from "../../src/dispatcher/app.ts";
import { handlerOf } from "../../src/dispatcher/handlers.ts";

it.each([
  ["FACILITATORS", "[]"],
  ["FACILITATORS", '[{"id":"payai","url":"http://facilitator.example"}]'],
  [
    "FACILITATORS",
    '[{"id":"cdp","url":"https://cdp.example","auth":{"type":"cdp","keyId":"CDP_ID","secret":"CDP_KEY"}}]',
  ],
  ["CANARY", '{"secret":"CANARY_KEY"}'],
  ["NETWORKS", "none"],
  ["OPERATORS", "[]"],
  ["QUOTE_SECRET", ""],
  ["PLATFORM_KEYS", "[]"],
  ["ALERT_WEBHOOKS", '[{"id":"pager","url":"https://pager.example","secret":"PAGER_SECRET"}]'],
])("a Worker with %s %s answers nothing but which key is wrong", async (key, value) => {
  for (const path of ["/healthz", "/admin/facilitators", "/t/acme/cities"]) {
    const request = new Request(`https://claw.test${path}`);
    const app = dispatcher(handlerOf);
    const response = await app.fetch(request, { ...env, [key]: value }, createExecutionContext());
    expect(response.status).toBe(500);
    const { code, detail } = await response.json<{ code: string; detail: string }>();
    expect(code).toBe("internal_error");
    expect(detail).toMatch(new RegExp(`^configuration ${key}: `));
  }
});
