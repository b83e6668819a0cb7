/** An existing HTTP API behind the paywall: what passes to it, what comes back, where it may be, and its secret. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OriginHandlerDefinition, Route } from "../../src/contracts/snapshot.ts";
import type { HandlerContext } from "../../src/runtime/handler.ts";
import { RunMeter } from "../../src/runtime/run-meter.ts";
import { originHandler } from "../../src/runtime/origin.ts";
import { PLANS } from "../../src/tenant/plans.ts";
import { platformKeysOf } from "../../src/tenant/secrets/platform-keys.ts";
import { sealSecret } from "../../src/tenant/secrets/seal.ts";
import { parseTenantId, type TenantId } from "../../src/tenant/tenant-id.ts";

const URL_DEPLOYED = "https://api.example.com/weather";
const SECRET = "Bearer sk-weather-0123456789";
const PRODUCTION = {
  ENVIRONMENT: "production",
  BASE_DOMAIN: "402claw.example",
  PLATFORM_HOSTS: "claw402.workers.dev",
  PLATFORM_KEYS: env.PLATFORM_KEYS,
};

function tenantIdOf(text: string): TenantId {
  const tenantId = parseTenantId(text);
  if (tenantId === null) throw new Error(`not a tenant id: ${text}`);
  return tenantId;
}

const TENANT = tenantIdOf("acme");

interface Call {
  readonly url?: string;
  readonly auth?: OriginHandlerDefinition["auth"];
  readonly request?: RequestInit & { readonly query?: string };
  readonly secrets?: HandlerContext["secrets"];
  readonly bindings?: Partial<typeof PRODUCTION> & { readonly LOOPBACK_ORIGINS?: string };
}

async function run({ url = URL_DEPLOYED, auth = null, request, secrets, bindings }: Call = {}) {
  const definition = { kind: "origin" as const, url, auth };
  const { query = "", ...init } = request ?? {};
  const route: Route = {
    path: "/weather",
    methods: ["GET"],
    priceAtomic: "1000",
    description: "Weather",
    mimeType: "application/json",
    settlement: "after",
    execution: "after",
    resignGuard: true,
    replayGraceSeconds: 600,
    paymentIdentifier: "optional",
    signedReceipts: false,
    handler: definition,
  };
  const context: HandlerContext = {
    tenantId: TENANT,
    limits: PLANS.free.limits,
    route,
    params: {},
    paymentId: "pay_acme_1",
    payer: `0x${"ab".repeat(20)}`,
    idempotencyKey: "pay_acme_1",
    secrets: secrets ?? {},
    meter: new RunMeter(0),
  };
  const caller = new Request(`https://acme/weather${query}`, init);
  return originHandler({ ...PRODUCTION, ...bindings }, definition).run(caller, context);
}

async function runWithSecret(tenantId = TENANT): Promise<Response> {
  const place = { tenantId, name: "WEATHER_KEY" };
  const sealed = await sealSecret(platformKeysOf(PRODUCTION), place, SECRET);
  const auth = { header: "Authorization", secret: "WEATHER_KEY" };
  return run({ auth, secrets: { WEATHER_KEY: sealed } });
}

const sent: Request[] = [];
let answer: (request: Request) => Response | Promise<Response>;

beforeEach(() => {
  sent.length = 0;
  answer = () => Response.json({ sunny: true });
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    sent.push(request);
    return answer(request);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe("what passes to the origin", () => {
  test("method, query and body, at the deployed path", async () => {
    answer = async (request) => new Response(await request.text());
    const request = { method: "POST", query: "?city=Lima&city=Cusco", body: "question" };
    const response = await run({ request });
    expect(sent[0]?.method).toBe("POST");
    expect(sent[0]?.url).toBe(`${URL_DEPLOYED}?city=Lima&city=Cusco`);
    expect(await response.text()).toBe("question");
  });

  test("four of the caller's headers, and who paid; nothing else", async () => {
    const headers = {
      Accept: "application/json",
      "Accept-Language": "es",
      "Content-Type": "text/plain",
      "User-Agent": "agent/1",
      Authorization: "Bearer of-the-caller",
      Cookie: "session=1",
      "PAYMENT-SIGNATURE": "secret-of-the-caller",
      "Idempotency-Key": "key-of-the-caller",
      "X-Forwarded-For": "10.0.0.1",
    };
    await run({ request: { headers } });
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({
      accept: "application/json",
      "accept-language": "es",
      "content-type": "text/plain",
      "user-agent": "agent/1",
      "payment-id": "pay_acme_1",
      "payment-payer": `0x${"ab".repeat(20)}`,
      "idempotency-key": "pay_acme_1",
    });
  });
});

describe("what comes back", () => {
  test("status, body and listed headers; nothing else", async () => {
    answer = () =>
      new Response("sunny", {
        status: 203,
        headers: {
          "Content-Type": "text/plain",
          ETag: '"1"',
          Server: "internal-7",
          "Set-Cookie": "session=1",
          "X-Powered-By": "something",
          "PAYMENT-RESPONSE": "forged",
          Location: "https://internal.example/",
        },
      });
    const response = await run();
    expect(response.status).toBe(203);
    expect(await response.text()).toBe("sunny");
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "text/plain",
      etag: '"1"',
    });
  });

  test("a redirect within the origin is followed", async () => {
    answer = ({ url }) =>
      url.endsWith("/weather")
        ? new Response(null, { status: 301, headers: { Location: "/weather/" } })
        : new Response("sunny");
    expect(await (await run()).text()).toBe("sunny");
    expect(sent.map(({ url }) => url)).toEqual([URL_DEPLOYED, `${URL_DEPLOYED}/`]);
  });

  test.each([
    "https://evil.example/",
    "https://api.example.com.evil.example/",
    "http://api.example.com/weather",
    "https://api.example.com:8443/weather",
    "http://169.254.169.254/latest/meta-data/",
    "//localhost/",
  ])("a redirect to %s is not followed, and not shown", async (location) => {
    answer = () => new Response(null, { status: 302, headers: { Location: location } });
    const response = await run();
    expect(response.status).toBe(302);
    expect(response.headers.get("Location")).toBeNull();
    expect(sent).toHaveLength(1);
  });

  test("a redirect of a write, or a fourth one, is handed back", async () => {
    answer = ({ url }) => new Response(null, { status: 307, headers: { Location: url } });
    expect((await run({ request: { method: "POST", body: "once" } })).status).toBe(307);
    expect(sent).toHaveLength(1);
    expect((await run()).status).toBe(307);
    expect(sent).toHaveLength(5);
  });
});

describe("where it may be", () => {
  test.each([
    ["https://127.0.0.1/", "address_literal"],
    ["https://2130706433/", "address_literal"],
    ["https://169.254.169.254/latest/", "address_literal"],
    ["https://metadata.google.internal/", "reserved_name"],
    ["https://402claw.example/t/acme/cities", "platform_host"],
    ["https://admin.claw402.workers.dev/", "platform_host"],
    ["http://127.0.0.1:8080/", "not_https"],
  ])("not at %s: %s", async (url, reason) => {
    const bindings = { LOOPBACK_ORIGINS: "allowed" };
    await expect(async () => run({ url, bindings })).rejects.toThrow(reason);
    expect(sent).toEqual([]);
  });

  test("on this machine, in the local environment, where that is switched on", async () => {
    const url = "http://127.0.0.1:8080/";
    const local = { ENVIRONMENT: "local" };
    await expect(async () => run({ url, bindings: local })).rejects.toThrow("not_https");
    await run({ url, bindings: { ...local, LOOPBACK_ORIGINS: "allowed" } });
    expect(sent).toHaveLength(1);
  });
});

describe("its secret", () => {
  test("is sent in the header that was deployed", async () => {
    expect((await runWithSecret()).status).toBe(200);
    expect(sent[0]?.headers.get("Authorization")).toBe(SECRET);
  });

  test("that is not set, or is another tenant's, fails the call before anything is sent", async () => {
    const auth = { header: "Authorization", secret: "WEATHER_KEY" };
    await expect(async () => run({ auth })).rejects.toThrow("WEATHER_KEY is not set");
    await expect(async () => runWithSecret(tenantIdOf("other"))).rejects.toThrow("not_authentic");
    expect(sent).toEqual([]);
  });

  test("that comes back in a header is dropped with the header", async () => {
    answer = () =>
      new Response("sunny", {
        headers: { Link: `<https://x/?key=sk-weather-0123456789>`, ETag: '"1"' },
      });
    const response = await runWithSecret();
    expect(response.headers.get("Link")).toBeNull();
    expect(response.headers.get("ETag")).toBe('"1"');
    expect(await response.text()).toBe("sunny");
  });

  test.each([["whole"], ["cut"]])(
    "that comes back in a body, %s, fails the call before it leaves",
    async (how) => {
      const echo = new TextEncoder().encode(`{"you sent":"${SECRET}"}`);
      const parts =
        how === "whole" ? [echo] : [echo.slice(0, 22), echo.slice(22, 30), echo.slice(30)];
      answer = () =>
        new Response(
          new ReadableStream({
            start(controller) {
              for (const part of parts) controller.enqueue(part);
              controller.close();
            },
          }),
        );
      const response = await runWithSecret();
      let arrived = "";
      await expect(async () => {
        for await (const part of response.body ?? []) arrived += new TextDecoder().decode(part);
      }).rejects.toThrow("secret");
      expect(arrived).not.toContain("sk");
    },
  );

  test("does not get into the way of a body that is as long as it, or binary", async () => {
    const body = crypto.getRandomValues(new Uint8Array(10_000));
    answer = () => new Response(body);
    expect(new Uint8Array(await (await runWithSecret()).arrayBuffer())).toEqual(body);
  });
});
