/** Tenants' code in an isolate of its own, whose way out is the egress entrypoint: what reaches the internet, and what is counted. */
import { createExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import outboundWorker from "../../src/runtime/egress/outbound-worker.ts";
import { decideEgress } from "../../src/runtime/egress/policy.ts";
import type { EgressProps } from "../../src/runtime/egress/props.ts";
import { freshTenantId } from "../support/control-plane.ts";
import { CORPUS_POLICY, SSRF_CORPUS } from "../support/ssrf-corpus.ts";

const KIB = 1024;

/** Fetches what it is told to, as often as it is told to, and says what it saw. */
const SCRIPT = `
  export default {
    async fetch(request) {
      const { url, init = {}, times = 1 } = await request.json();
      try {
        let response;
        for (let time = 0; time < times; time += 1) response = await fetch(url, init);
        const body = await response.text();
        const headers = Object.fromEntries(response.headers);
        return Response.json({ status: response.status, body, headers, url: response.url });
      } catch (error) {
        return Response.json({ error: String(error) });
      }
    },
  };`;

interface Seen {
  readonly status?: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly error?: string;
}

interface Order {
  readonly url: string;
  readonly init?: {
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    redirect?: string;
  };
  readonly times?: number;
}

function propsOf(overrides: Partial<EgressProps> = {}): EgressProps {
  return {
    tenantId: freshTenantId(),
    allowedHosts: ["api.example.com", "*.example.net"],
    maxSubrequests: 5,
    maxBytes: 64 * KIB,
    ...overrides,
  };
}

/** Runs the script behind the egress entrypoint and gives what it saw. */
async function runScript(order: Order, props: EgressProps = propsOf()): Promise<Seen> {
  const worker = env.LOADER.load({
    compatibilityDate: "2026-10-01",
    mainModule: "main.js",
    modules: { "main.js": SCRIPT },
    globalOutbound: exports.Egress({ props }),
  });
  const response = await worker
    .getEntrypoint()
    .fetch("https://script/", { method: "POST", body: JSON.stringify(order) });
  return response.json();
}

/** What left the platform, and what the internet answers. */
const sent: Request[] = [];
const logged: unknown[] = [];
let answer: (request: Request) => Response | Promise<Response>;

beforeEach(() => {
  sent.length = 0;
  logged.length = 0;
  answer = () => new Response("from outside");
  vi.spyOn(console, "warn").mockImplementation((line) => void logged.push(line));
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input, init);
    sent.push(request);
    return answer(request);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

function problemIn({ body = "null" }: Seen): { code?: string; reason?: string } {
  return JSON.parse(body);
}

test("workerd and Node say the same to every trick of the corpus", () => {
  for (const [target, verdict] of SSRF_CORPUS) {
    const decision = decideEgress(target, CORPUS_POLICY);
    expect([target, decision.verdict === "allowed" ? "allowed" : decision.reason]).toEqual([
      target,
      verdict,
    ]);
  }
});

describe("what is let through", () => {
  test("a listed host answers, and is asked what the code asked", async () => {
    answer = async (request) =>
      new Response(`${request.method} ${request.url} ${await request.text()}`, {
        status: 201,
        headers: { "X-Answer": "yes" },
      });
    const seen = await runScript({
      url: "https://api.example.com/v1?q=1",
      init: { method: "POST", body: "question", headers: { Authorization: "Bearer theirs" } },
    });
    expect(seen).toMatchObject({
      status: 201,
      body: "POST https://api.example.com/v1?q=1 question",
      headers: { "x-answer": "yes" },
    });
    expect(sent[0]?.headers.get("Authorization")).toBe("Bearer theirs");
  });

  test("headers that speak for the platform or for somebody's address do not leave", async () => {
    const forged = {
      "Claw-Invocation": "inv-1",
      "CF-Connecting-IP": "10.0.0.1",
      "X-Forwarded-For": "10.0.0.1",
      Forwarded: "for=10.0.0.1",
      "X-Own": "kept",
    };
    await runScript({ url: "https://api.example.com/", init: { headers: forged } });
    expect(Object.fromEntries(sent[0]?.headers ?? [])).toEqual({ "x-own": "kept" });
  });
});

describe("what is refused", () => {
  test.each([
    ["https://evil.example/", "host_not_allowed"],
    ["https://api.example.com:8443/", "port_not_allowed"],
    ["http://api.example.com/", "not_https"],
    ["https://169.254.169.254/latest/meta-data/", "address_literal"],
    ["https://2852039166/", "address_literal"],
    ["https://[::ffff:127.0.0.1]/", "address_literal"],
    ["https://metadata.google.internal/", "reserved_name"],
    ["https://localhost/", "reserved_name"],
  ])("%s: %s", async (url, reason) => {
    const listed = propsOf({ allowedHosts: ["api.example.com", "localhost", "2852039166"] });
    const seen = await runScript({ url }, listed);
    expect(seen.status).toBe(403);
    expect(problemIn(seen)).toMatchObject({ code: "egress_denied", reason });
    expect(sent).toEqual([]);
  });

  test("everything, when nothing is listed", async () => {
    const seen = await runScript(
      { url: "https://api.example.com/" },
      propsOf({ allowedHosts: [] }),
    );
    expect(problemIn(seen)).toMatchObject({ reason: "host_not_allowed" });
    expect(sent).toEqual([]);
  });

  test("a WebSocket", async () => {
    const seen = await runScript({
      url: "https://api.example.com/",
      init: { headers: { Upgrade: "websocket" } },
    });
    expect(problemIn(seen)).toMatchObject({ reason: "upgrade_not_allowed" });
    expect(sent).toEqual([]);
  });
});

describe("a redirect", () => {
  test("within the list is followed, each hop asked here again", async () => {
    answer = ({ url }) =>
      url.endsWith("/start")
        ? Response.redirect("https://a.example.net/end", 302)
        : new Response("arrived");
    const seen = await runScript({ url: "https://api.example.com/start" });
    expect(seen).toMatchObject({ status: 200, body: "arrived" });
    expect(sent.map(({ url }) => url)).toEqual([
      "https://api.example.com/start",
      "https://a.example.net/end",
    ]);
  });

  test.each([
    ["http://169.254.169.254/latest/meta-data/", "not_https"],
    ["https://169.254.169.254/latest/meta-data/", "address_literal"],
    ["https://evil.example/", "host_not_allowed"],
    ["//localhost/", "reserved_name"],
  ])("to %s ends there: %s", async (location, reason) => {
    answer = () => new Response(null, { status: 307, headers: { Location: location } });
    const seen = await runScript({ url: "https://api.example.com/start" });
    expect(problemIn(seen)).toMatchObject({ code: "egress_denied", reason });
    expect(sent).toHaveLength(1);
  });

  test("in a circle ends at the limit of subrequests", async () => {
    answer = ({ url }) => Response.redirect(url, 302);
    const seen = await runScript({
      url: "https://api.example.com/",
      init: { headers: { "Claw-Invocation": "inv-circle" } },
    });
    expect(problemIn(seen)).toMatchObject({ reason: "subrequests_exceeded" });
    expect(sent).toHaveLength(5);
  });

  test("is handed to code that wants to see it", async () => {
    answer = () => Response.redirect("https://evil.example/", 302);
    const seen = await runScript({ url: "https://api.example.com/", init: { redirect: "manual" } });
    expect(seen).toMatchObject({ status: 302, headers: { location: "https://evil.example/" } });
  });
});

describe("limits of one invocation", () => {
  test("its sixth subrequest of five is refused", async () => {
    const headers = { "Claw-Invocation": "inv-limit" };
    const seen = await runScript({ url: "https://api.example.com/", times: 6, init: { headers } });
    expect(seen.status).toBe(429);
    expect(problemIn(seen)).toMatchObject({
      code: "tenant_limit_exceeded",
      reason: "subrequests_exceeded",
    });
    expect(sent).toHaveLength(5);
  });

  test("other invocations, and other tenants under the same id, are not affected", async () => {
    const props = propsOf();
    const order = (id: string) => ({
      url: "https://api.example.com/",
      times: 5,
      init: { headers: { "Claw-Invocation": id } },
    });
    for (const id of ["inv-a", "inv-b"]) {
      expect((await runScript(order(id), props)).status).toBe(200);
    }
    expect((await runScript(order("inv-a"))).status).toBe(200);
  });

  test("code that sends an id of its own each time runs into the window's limit", async () => {
    const props = propsOf({ maxSubrequests: 1 });
    const seen = await runScript({ url: "https://api.example.com/", times: 101 }, props);
    expect(problemIn(seen)).toMatchObject({ reason: "subrequests_exceeded" });
    expect(sent).toHaveLength(100);
  });

  test("an answer that grows over its bytes ends with an error", async () => {
    answer = () => new Response("x".repeat(65 * KIB));
    const seen = await runScript({ url: "https://api.example.com/" });
    expect(seen.error).toBeTypeOf("string");
    expect(seen.body).toBeUndefined();
  });

  test("a body over its bytes is not sent", async () => {
    const seen = await runScript({
      url: "https://api.example.com/",
      init: { method: "POST", body: "x".repeat(65 * KIB) },
    });
    expect(problemIn(seen)).toMatchObject({ reason: "bytes_exceeded" });
    expect(sent).toEqual([]);
  });

  test("bodies of several subrequests add up", async () => {
    answer = () => new Response("x".repeat(30 * KIB));
    const order = {
      url: "https://api.example.com/",
      init: { headers: { "Claw-Invocation": "inv-sum" } },
    };
    const props = propsOf();
    expect((await runScript(order, props)).body).toHaveLength(30 * KIB);
    expect((await runScript(order, props)).body).toHaveLength(30 * KIB);
    expect((await runScript(order, props)).error).toBeTypeOf("string");
  });
});

describe("the outbound Worker", () => {
  const request = () =>
    new Request<unknown, IncomingRequestCfProperties>("https://api.example.com/");

  test("serves the properties that came with the call", async () => {
    const context = createExecutionContext();
    const allowed = { ...env, egress: propsOf() };
    expect((await outboundWorker.fetch(request(), allowed, context)).status).toBe(200);
    const denied = { ...env, egress: propsOf({ allowedHosts: [] }) };
    expect((await outboundWorker.fetch(request(), denied, context)).status).toBe(403);
    expect(sent).toHaveLength(1);
  });

  test("reaches nothing without properties", async () => {
    for (const egress of [undefined, {}, { ...propsOf(), allowedHosts: "*" }]) {
      const context = createExecutionContext();
      await expect(async () =>
        outboundWorker.fetch(request(), { ...env, egress }, context),
      ).rejects.toThrow("invalid_type");
    }
    expect(sent).toEqual([]);
  });
});

describe("a denial", () => {
  test("is logged with the host, without path, query or credentials", async () => {
    const props = propsOf();
    await runScript({ url: "https://evil.example/path-secret?key=query-secret" }, props);
    const line = {
      event: "egress_denied",
      tenantId: props.tenantId,
      reason: "host_not_allowed",
      host: "evil.example",
    };
    expect(logged).toEqual([JSON.stringify(line)]);
  });

  test("is counted per tenant and reason in D1", async () => {
    const props = propsOf();
    await runScript({ url: "https://evil.example/", times: 3 }, props);
    await runScript({ url: "https://localhost/" }, props);
    const counts = () =>
      env.DB.prepare("SELECT reason, count FROM egress_denials WHERE tenant_id = ? ORDER BY reason")
        .bind(props.tenantId)
        .all();
    await expect
      .poll(async () => (await counts()).results, { timeout: 45_000, interval: 200 })
      .toEqual([
        { reason: "host_not_allowed", count: 3 },
        { reason: "reserved_name", count: 1 },
      ]);
  });
});
