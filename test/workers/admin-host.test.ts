import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/config-source.ts";
import { configOf } from "../../src/config.ts";
import { dispatcher } from "../../src/dispatcher/app.ts";
import { handlerOf } from "../../src/dispatcher/handlers.ts";

const app = dispatcher(handlerOf);
const withAdminHost = (host: string) => ({
  ...env,
  BASE_DOMAIN: "claw.example",
  ADMIN_HOST: host,
});
const operators = withAdminHost("admin.claw.example");

async function seen(url: string, bindings = operators) {
  const request = new Request(url, { headers: { Authorization: `Bearer ${env.OPERATOR_TOKEN}` } });
  const answer = await app.fetch(request, bindings, createExecutionContext());
  const body = await answer.json<{ code?: string }>();
  return [answer.status, body.code ?? "ok"];
}

describe("where operators have a host of their own", () => {
  test("it serves /admin", async () => {
    expect(await seen("https://admin.claw.example/admin/alerts")).toEqual([200, "ok"]);
  });

  test.each(["claw.example", "claw402.workers.dev"])(
    "%s has no /admin, whoever asks",
    async (host) => {
      expect(await seen(`https://${host}/admin/alerts`)).toEqual([404, "not_found"]);
    },
  );

  test("it sells nothing, and no tenant's host has /admin", async () => {
    expect(await seen("https://admin.claw.example/t/acme/cities")).toEqual([404, "not_found"]);
    expect(await seen("https://acme.claw.example/admin/alerts")).toEqual([404, "unknown_tenant"]);
  });

  test.each(["https://admin.claw.example", "admin.claw.example/", "claw.example", "not a host"])(
    "%s as ADMIN_HOST stops the start",
    (host) => {
      expect(() => configOf(withAdminHost(host))).toThrow(ConfigError);
      expect(() => configOf(withAdminHost(host))).toThrow("ADMIN_HOST");
    },
  );
});

test("without one, /admin is wherever the platform is", async () => {
  expect(await seen("https://anywhere.example/admin/alerts", withAdminHost(""))).toEqual([
    200,
    "ok",
  ]);
});
